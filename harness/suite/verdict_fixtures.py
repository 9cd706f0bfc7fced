"""The evidence fixtures: a question's verdict, and the judge that turns it into pass, fail, xfail or skip."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.core.claim import Hypothesis, Verdict
from harness.core.errors import ClaimsError
from harness.core.paper import using
from harness.evidence.questions import answer
from harness.judging.question import AnyQuestion
from harness.report.judged import Judged
from harness.suite.options import option
from harness.suite.session import SESSION


class Refuted(AssertionError):
    """The evidence refutes the hypothesis."""


class Unsettled(AssertionError):
    """The evidence leaves a hypothesis open that is recorded as open."""


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
        with using(session.paper(question.claim)):
            found = answer(question, session)
    except ClaimsError as error:
        problem = str(error)
    if problem:  # outside the handler, so that pytest shows this line and no chain of exceptions
        pytest.fail(problem, pytrace=False)
    stated, notes = session.stated(question.claim), tuple(session.notes)
    judged = Judged(found, question.claim, stated, notes, tuple(session.executor.problems))
    session.notes.clear()
    request.node.user_properties.append(judged.as_property())
    return found


@pytest.fixture
def judge(request: pytest.FixtureRequest, verdict: Verdict, question: AnyQuestion) -> Callable[[Hypothesis], None]:
    """Return the function that ends the test as the verdict says."""
    strict = option(request.config, "--strict-verdicts")

    def decide(hypothesis: Hypothesis) -> None:
        __tracebackhide__ = True
        assert hypothesis.id == verdict.hypothesis
        line = f"{verdict.verdict}: {verdict.reason}"
        if verdict.verdict == "REFUTED":
            raise Refuted(line)
        if verdict.verdict == "INCONCLUSIVE":
            if question.expected:
                raise Unsettled(line)
            if not strict:
                pytest.xfail(line)
            pytest.fail(line, pytrace=False)
        if verdict.verdict == "NOT RUN" and strict:
            pytest.fail(line, pytrace=False)
        if verdict.verdict in ("NOT RUN", "NOT VERIFIABLE"):
            pytest.skip(line)

    return decide
