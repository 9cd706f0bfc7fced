"""What a pytest session was asked for: whether claims are run, the released checkpoints by name, or nothing at all."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from types import ModuleType

import pytest
from _pytest.mark.expression import Expression

from harness.claim import Claim
from harness.questions import Asking, questions
from harness.verdict import Question

NOT_IN_IDS = re.compile(r"[^\w.,@+=<>/ -]")


def runs_claims(config: pytest.Config) -> bool:
    """Tell whether a path that pytest was given holds the claims (so that `pytest tests` writes no report)."""
    claims = config.rootpath / "claims"
    given = [(config.invocation_params.dir / argument.split("::")[0]).absolute() for argument in config.args]
    return any(path == claims or claims in path.parents or path in claims.parents for path in given)


def computes_nothing(config: pytest.Config) -> bool:
    """Tell whether tests are only collected, or only planned."""
    return bool(config.option.collectonly or config.getoption("--plan"))


def asks_for_gpu(config: pytest.Config) -> bool:
    """Tell whether the released checkpoints are asked for by name: `-m gpu`, not merely not left out."""
    if not config.option.markexpr or not runs_claims(config):
        return False
    try:
        chosen = Expression.compile(config.option.markexpr)
    except SyntaxError:  # pytest says so itself, in its own words
        return False
    return matches(chosen, "gpu") and not matches(chosen, "")


def matches(expression: Expression, marker: str) -> bool:
    """Tell whether a mark expression chooses a test that has one marker."""

    def has(name: str, /, **_: str | int | bool | None) -> bool:
        return name == marker

    return expression.evaluate(has)


def questions_of(items: Iterable[pytest.Item]) -> list[Question]:
    """Return the questions that tests ask, in their order."""
    parameters = [getattr(item, "callspec").params for item in items if hasattr(item, "callspec")]  # noqa: B009
    return [found for found in (each.get("question") for each in parameters) if isinstance(found, Question)]


def identifier(question: Question) -> str:
    """Return a question's test id: it starts with the source."""
    return NOT_IN_IDS.sub("", f"{question.source} - {question.hypothesis.id}")


@cache
def questions_in(module: ModuleType, claim: Claim, asking: Asking) -> tuple[Question, ...]:
    """Return every question that a module's test functions put for a claim, in the order they stand."""
    stated = [getattr(function, "stated", None) for function in vars(module).values()]
    hypotheses = [hypothesis for found in stated if found and found[0] == claim for hypothesis in found[1]]
    return questions(claim, hypotheses, asking)
