"""The evidence fixtures: a question's verdict, and the judge that turns it into pass, fail, xfail or skip."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from harness.core.errors import ClaimsError
from harness.core.hypotheses import Hypothesis
from harness.core.machine import processor
from harness.core.verdict import Verdict
from harness.judging.lock import changed
from harness.judging.question import AnyQuestion
from harness.report.judged import Judged
from harness.suite.options import option
from harness.suite.session import POSTPONED, SESSION

AGAINST = ("REFUTED", "DISAGREES")
UNDECIDED = ("INCONCLUSIVE", "OPEN")
NOTHING = ("NOT RUN", "NOT VERIFIABLE")


@pytest.fixture
def hypothesis(question: AnyQuestion) -> Hypothesis:
    """Return the hypothesis under judgement; `question` is parametrised by the plugin."""
    return question.hypothesis


@pytest.fixture
def verdict(request: pytest.FixtureRequest, question: AnyQuestion) -> Verdict:
    """Return the verdict of one source on one hypothesis, computing the runs it needs.

    It is computed here, in the set-up, so that a crash is an error and never looks like a verdict.
    """
    session = request.config.stash[SESSION]
    problem = ""
    try:
        found = session.answer(question)
    except ClaimsError as error:
        problem = str(error)
    if problem:  # outside the handler, so that pytest shows this line and no chain of exceptions
        pytest.fail(problem, pytrace=False)
    change = changed(question.expected, found, processor())
    notes = (
        *session.notes,
        *session.executor.notes,
        *([f"changed: {change.line}"] if change.line and not change.fails else []),
    )
    claim, stated = session.reported(question.claim), session.stated(question.claim)
    recorded = session.recorded_answers(question.claim)
    answering = session.answering(question.claim)
    judged = Judged(found, claim, stated, notes, recorded, answering, tuple(session.executor.problems))
    session.notes.clear()
    session.executor.notes.clear()
    request.node.user_properties.append(judged.as_property())
    return found


@pytest.fixture
def judge(
    request: pytest.FixtureRequest, verdict: Verdict, question: AnyQuestion
) -> Iterator[Callable[[Hypothesis], None]]:
    """Yield the function that ends the test as the verdict says; a test that does not call it is an error.

    A verdict that differs from the one on record fails, whatever it is. One that is as recorded passes where it holds,
    and is an expected failure where it does not. Without a record what is refuted fails.
    """
    strict = option(request.config, "--strict-verdicts")
    failed, called = request.session.testsfailed, False

    def decide(hypothesis: Hypothesis) -> None:
        __tracebackhide__ = True
        nonlocal called
        called = True
        assert hypothesis.id == verdict.hypothesis
        line = f"{verdict.verdict}: {verdict.reason}"
        change = changed(question.expected, verdict, processor())
        if change.fails or (strict and change.line):
            pytest.fail(f"changed: {change.line}", pytrace=False)
        if strict and verdict.registered == "post hoc":
            pytest.fail(f"post hoc: the hypothesis is not locked as it is stated; {line}", pytrace=False)
        recorded = question.expected is not None and bool(question.expected.hypothesis)
        if verdict.verdict in AGAINST:
            if question.expected is None:
                pytest.fail(line, pytrace=False)
            pytest.xfail(line)
        if verdict.verdict in UNDECIDED:
            # What is recorded as open is no failure: a nightly must be able to be green.
            if strict and not recorded:
                pytest.fail(line, pytrace=False)
            pytest.xfail(line)
        if verdict.verdict in NOTHING:
            later = verdict.reason.startswith(POSTPONED)  # a night that is meant to go on is no failure
            if strict and verdict.verdict == "NOT RUN" and question.expected is not None and not later:
                pytest.fail(f"{line}; on record: {question.expected.verdict}", pytrace=False)
            pytest.skip(line)

    yield decide
    if not called and request.session.testsfailed == failed:  # a test that crashed before it says so itself
        pytest.fail("expected the test to call judge(hypothesis), found that it ended without; add it", pytrace=False)
