"""The claim files of a paper's folder, imported by path, so that the folder may have any name."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.core.claim import Claim
from harness.core.errors import ClaimsError, unknown
from harness.core.hypotheses import Hypothesis
from harness.core.own_modules import on_path, told
from harness.core.paper import paper


def imported(path: Path) -> ModuleType:
    """Return a claim file as a module of its own, imported anew; it may import other modules of its folder.

    Raises:
        ClaimsError: it can't be imported: one line with the place.
    """
    spec = importlib.util.spec_from_file_location(f"_claims_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ClaimsError(f"{path}: expected a claim file, a Python module, found something else; name another")
    module = importlib.util.module_from_spec(spec)
    with on_path(path.parent), told(path.name, path.parent):
        spec.loader.exec_module(module)
    return module


def stated_in(module: ModuleType) -> list[tuple[Claim, tuple[Hypothesis, ...]]]:
    """Return what a module's test functions state, in the order they stand: (claim, hypotheses) pairs."""
    return [function.stated for function in stating_functions(vars(module))]


def stating_functions(namespace: Mapping[str, Any]) -> list[Any]:
    """Return the test functions of a module that state hypotheses, those in its classes too, each once."""
    return list({id(function): function for function in _stating(namespace, set())}.values())


def _stating(namespace: Mapping[str, Any], seen: set[int]) -> Iterator[Any]:
    # A spec builds what validates it when it is first looked at, which adds to its class.
    for value in list(namespace.values()):
        stated = getattr(value, "stated", None)
        if isinstance(stated, tuple) and len(stated) == 2 and isinstance(stated[0], Claim):
            yield value
        elif isinstance(value, type) and id(value) not in seen:
            seen.add(id(value))
            for base in value.__mro__:
                yield from _stating(vars(base), seen)


def claims(folder: Path | None = None) -> dict[str, tuple[Claim, Sequence[Hypothesis]]]:
    """Return every claim of a paper with its hypotheses, by id.

    Args:
        folder: where the claim files test_*.py lie; None: the current paper's folder.
    """
    found: dict[str, tuple[Claim, list[Hypothesis]]] = {}
    for path in sorted((folder or paper().folder).glob("test_*.py")):
        for claim, hypotheses in stated_in(imported(path)):
            found.setdefault(claim.id, (claim, []))[1].extend(hypotheses)
    return {name: found[name] for name in sorted(found)}


def stated_files(folder: Path) -> list[tuple[str, Claim, tuple[Hypothesis, ...]]]:
    """Return what each claim file of a folder states: its stem, the claim, and the hypotheses."""
    return [
        (path.stem, claim, hypotheses)
        for path in sorted(folder.glob("test_*.py"))
        for claim, hypotheses in stated_in(imported(path))
    ]


def stated_by(name: str) -> Sequence[Hypothesis]:
    """Return the hypotheses of the current paper's claim of a name: its id, or the number that its id ends in.

    Raises:
        ClaimsError: there is no such claim.
    """
    known = claims()
    for each in (name, f"claim{name}"):
        if each in known:
            return known[each][1]
    raise unknown("claim", name, known)
