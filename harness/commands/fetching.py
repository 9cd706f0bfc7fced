"""`python -m harness fetch` and `cache`: the files of the zoo's checkpoints, by id and by claim."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from harness.fetch import command


def add_parser(commands: Any) -> None:
    """Add both commands to the command line's subparsers."""
    command.add_parsers(commands)


def run(options: argparse.Namespace) -> int:
    """Fetch, or look after the cache."""
    from harness.zoo import checkpoints, materials

    listed = {name: materials(entry)[:1] for name, entry in checkpoints().items() if entry.sources}
    never = {name: entry.never_released for name, entry in checkpoints().items() if entry.never_released}
    if options.command == "cache":
        keys = {material.key for entry in checkpoints().values() for material in materials(entry)}
        return command.run_cache(options, keys)
    return command.run_fetch(options, command.Catalogue(listed, never, needs))


def needs(claim: str) -> Iterable[str]:
    """Return the ids of the checkpoints that a claim ("1" or "claim1") needs on released material."""
    from harness.doctor import claims
    from harness.errors import ClaimsError, unknown
    from harness.zoo import resolve

    stated = {each.id: hypotheses for each, hypotheses in claims()}
    name = f"claim{claim}" if claim.isdecimal() else claim
    if name not in stated:
        raise unknown("claim", claim, stated)
    found: dict[str, None] = {}
    for hypothesis in stated[name]:
        for contender in hypothesis.contenders:
            try:
                found.setdefault(resolve(contender, hypothesis.on).id)
            except ClaimsError:
                continue  # nothing was released of it: `doctor` says which and why
    return found
