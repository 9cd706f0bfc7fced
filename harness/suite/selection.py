"""What a pytest session has selected: which claims, and whether the released checkpoints were asked for by name."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from _pytest.mark.expression import Expression
from pydantic import TypeAdapter, ValidationError

from harness.catalog.claim_files import stating_functions
from harness.core.claim import Claim
from harness.core.errors import ClaimsError, nearest
from harness.core.expected import require_files
from harness.core.hypotheses import Hypothesis
from harness.core.paper import folder_of, using
from harness.evidence.known_names import unknown_contenders
from harness.evidence.questions import EvidenceRequest, Stated, questions
from harness.judging.question import AnyQuestion

REPORT = "vit-claims-report"
"""The name of the plugin that writes the report."""
HANDOVER = pytest.StashKey[Path]()
"""On the controller of pytest-xdist: the folder in which workers leave what they selected."""
FOLDER = "vit_claims_folder"
"""The key under which a worker is told that folder."""
NOT_IN_IDS = re.compile(r"[^\w.,@+=<>/ -]")


@dataclass(frozen=True)
class Selected:
    """What a session's selection holds, known once its tests are collected."""

    questions: tuple[AnyQuestion, ...] = ()
    """In the order of their tests."""
    tests: int = 0
    """All tests, those that judge no claim too."""
    problem: str = ""
    """Why the process that collected them can't judge them, if so: one line."""
    runs: tuple[str, ...] = ()
    """Ids of the planned runs that were not stored then, as far as the process that collected them plans."""

    @property
    def kinds(self) -> set[str]:
        """The kinds of sources of evidence that are asked, as their markers are called."""
        return {name for question in self.questions for name in question.source.markers}

    def encoded(self) -> bytes:
        """Return the selection as JSON, for the main process."""
        return SELECTED.dump_json(self)


SELECTED = TypeAdapter(Selected)


def selection_of(content: bytes) -> Selected:
    """Return the selection that `Selected.encoded` wrote.

    Raises:
        ClaimsError: it is damaged.
    """
    try:
        return SELECTED.validate_json(content)
    except ValidationError as error:
        raise ClaimsError(f"expected what a worker selected, found: {error.errors()[0]['msg']}") from None


def computes_nothing(config: pytest.Config) -> bool:
    """Return whether tests are only collected, or only planned."""
    return bool(config.option.collectonly or config.getoption("--plan", False))


def distributes(config: pytest.Config) -> bool:
    """Return whether this process only hands tests to pytest-xdist's workers."""
    return getattr(config.option, "dist", "no") != "no"


def is_worker(config: pytest.Config) -> bool:
    """Return whether this process is a worker of pytest-xdist."""
    return hasattr(config, "workerinput")


def selects_gpu(config: pytest.Config) -> bool:
    """Return whether `-m` asks for the released checkpoints by name: `-m gpu`, not merely not left out."""
    if not config.option.markexpr:
        return False
    try:
        chosen = Expression.compile(config.option.markexpr)
    except SyntaxError:  # pytest says so itself, in its own words
        return False
    return matches(chosen, "gpu") and not matches(chosen, "")


def matches(expression: Expression, marker: str) -> bool:
    """Return whether a mark expression chooses a test that has one marker."""

    def has(name: str, /, **_: str | int | bool | None) -> bool:
        return name == marker

    return expression.evaluate(has)


def report_folder(config: pytest.Config) -> Path:
    """Return the report folder: `--report-dir`, relative to rootdir.

    Without a configuration file pytest takes rootdir from all arguments that exist, even the values of options that
    it does not know yet, so that a report folder would move once it exists. There it is found anew, by pytest's
    own rule, from the paths of tests alone.
    """
    name = config.getoption("--report-dir", None) or "reports"
    if config.inipath is not None or config.option.rootdir:
        return Path(os.path.normpath(config.rootpath / name))
    here = config.invocation_params.dir
    given = [(here / argument.split("::")[0]).absolute() for argument in config.args]
    folders = [path if path.is_dir() else path.parent for path in given if path.exists()]
    root = common([here, *folders])
    # Everything is in the root of the file system; that is nobody's project.
    return Path(os.path.normpath((common(folders or [here]) if root == root.parent else root) / name))


def common(folders: Iterable[Path]) -> Path:
    """Return the innermost folder that holds all of some folders."""
    first, *others = (path.resolve() for path in folders)
    return next(path for path in (first, *first.parents) if all(each.is_relative_to(path) for each in others))


def questions_of(items: Iterable[pytest.Item]) -> tuple[AnyQuestion, ...]:
    """Return the questions that tests ask, in their order."""
    parameters = [getattr(item, "callspec").params for item in items if hasattr(item, "callspec")]  # noqa: B009
    return tuple(found for found in (each.get("question") for each in parameters) if isinstance(found, AnyQuestion))


def identifier(question: AnyQuestion) -> str:
    """Return a question's test id: it starts with the source."""
    return NOT_IN_IDS.sub("", f"{question.source} - {question.hypothesis.id}")


@cache
def questions_in(module: ModuleType, claim: Claim, request: EvidenceRequest) -> tuple[AnyQuestion, ...]:
    """Return every question that a module's test functions put for a claim, in the order they stand.

    Raises:
        ClaimsError: what is recorded does not fit what is stated.
    """
    require_recorded_are_stated(module)
    if claim.measure and folder_of(module.__file__ or "") is None:
        raise ClaimsError(
            f"{claim.id}: expected a paper.toml beside {module.__file__}, which says what the measure {claim.measure!r}"
            " is, found none; add it (harness new writes one)"
        )
    functions = [
        Stated(found.__name__, found.stated[1], getattr(found, "statements", ()), found.families)
        for found in stating_functions(vars(module))
        if found.stated[0] == claim
    ]
    with using(folder_of(module.__file__ or "")):
        request.require()  # a malformed table would show as names that nobody knows
        # A function of the paper's own knows its contenders; no table does.
        stated = [] if claim.measure else [each for function in functions for each in function.hypotheses]
        for line in unknown_contenders(stated):
            warnings.warn(f"{claim.id}: {line}", UserWarning, stacklevel=1)
        return questions(claim, functions, request)


def require_recorded_are_stated(module: ModuleType) -> None:
    """Refuse records that no hypothesis of a module is judged by.

    Raises:
        ClaimsError: with the record and the nearest hypothesis.
    """
    functions = stating_functions(vars(module))
    stated: set[str] = {hypothesis.id for function in functions for hypothesis in _hypotheses(function)}
    for function in functions:
        records = getattr(function, "records", {})
        where = require_files(records)
        for name in records:
            if name not in stated:
                raise ClaimsError(
                    f"{where}: expected records of hypotheses that {Path(str(module.__file__)).name} states, found"
                    f" {name!r}{nearest(name, stated)}; correct the id or remove the record"
                )


def _hypotheses(function: Any) -> tuple[Hypothesis, ...]:
    found: tuple[Hypothesis, ...] = function.stated[1]
    return found
