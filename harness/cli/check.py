"""`python -m harness check FOLDER`: what a paper's folder lacks, before anything runs."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.core.errors import ClaimsError

if TYPE_CHECKING:
    from harness.core.claim import Claim
    from harness.judging.question import AnyQuestion

CLAIMS = "test_*.py"


@dataclass(frozen=True)
class Finding:
    """What there is to say of one thing in a folder."""

    topic: str
    state: Literal["ok", "missing", "note"]
    text: str


def add_parser(commands: Any) -> None:
    """Add the command to the command line's subparsers."""
    parser = commands.add_parser(
        "check",
        help="show what a paper's folder lacks, before anything runs",
        description="Read a paper's tables, import its claim files and functions, and look for the files that they"
        " name. Nothing is measured or fetched. Exit code 1: something is missing or wrong.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="with a paper.toml")


def run(options: argparse.Namespace) -> int:
    """Print the findings."""
    found = list(findings(Path(options.folder)))
    width = max(len(each.topic) for each in found)
    for each in found:
        print(f"{each.topic.ljust(width)}  {each.state.ljust(7)}  {each.text}")
    return int(any(each.state == "missing" for each in found))


def findings(folder: Path) -> Iterator[Finding]:
    """Yield what there is to say of a paper's folder.

    Raises:
        ClaimsError: it has no paper.toml.
    """
    from harness.core.paper import FILE, paper, using

    if not (folder / FILE).is_file():
        raise ClaimsError(
            f"{folder}: expected a folder with a {FILE}, found none; write one, or begin with: harness new {folder}"
        )
    with using(folder.absolute()):
        try:
            here = paper()
        except ClaimsError as error:
            yield Finding(FILE, "missing", str(error))
            return
        yield Finding(FILE, "ok", here.title or "no title")
        yield from tables(folder)
        for name in dict(here.measures):
            yield looked(f"measure {name}", lambda name=name: of_measure(name))  # type: ignore[misc]
        yield from claims(folder)
        if not (folder / "expected.toml").is_file():
            yield Finding("expected.toml", "note", "no verdicts are on record; python -m harness lock writes them")


def looked(topic: str, look: Callable[[], str]) -> Finding:
    """Return what a look says, or the one line that says what is wrong."""
    try:
        return Finding(topic, "ok", look())
    except ClaimsError as error:
        return Finding(topic, "missing", str(error))


def tables(folder: Path) -> Iterator[Finding]:
    """Yield what there is to say of the tables that a folder has."""
    from harness.catalog.checkpoints import checkpoints
    from harness.catalog.recipes import all_definitions, protocols
    from harness.data.registry import entries
    from harness.evidence.micro.proxies import proxies
    from harness.evidence.published.figures import of_paper

    def counted(read: Callable[[], Any], noun: str) -> Callable[[], str]:
        return lambda: f"{len(read())} {noun}"

    known: dict[str, Callable[[], str]] = {
        "checkpoints.toml": counted(checkpoints, "checkpoints"),
        "datasets.toml": counted(entries, "datasets"),
        "recipes.toml": counted(all_definitions, "recipes"),
        "protocols.toml": counted(protocols, "protocols"),
        "micro/proxies.toml": lambda: f"{len(proxies().architectures)} architectures",
        "published/figures.json": figures,
        "published/figures.csv": figures,
    }
    failed = set()
    for name, read in known.items():
        if (folder / name).is_file():
            found = looked(name, read)
            failed |= {name} if found.state == "missing" else set()
            yield found
    if (folder / "published/figures.json").is_file() and not of_paper().figures and not failed:
        yield Finding("published", "missing", "expected sources.toml beside figures.json, found none; add it")
    for table, names, look in (
        ("checkpoints.toml", checkpoints, of_checkpoint),
        ("datasets.toml", entries, of_dataset),
    ):
        if (folder / table).is_file() and table not in failed:
            for name in names():
                yield looked(name, lambda name=name, look=look: look(name))  # type: ignore[misc]


def figures() -> str:
    """Return how many figures there are.

    Raises:
        ClaimsError: no number of right examples gives one of them.
    """
    from harness.evidence.published.check import check
    from harness.evidence.published.figures import load

    bad = check().impossible
    if bad:
        odd = "".join(
            f"; {each.figure.architecture} on {each.figure.dataset}, {each.figure.value:g}: not possible with"
            f" {each.n:,} examples, suggests {each.suggests}"
            for each in bad[:3]
        )
        raise ClaimsError(
            f"{len(load())} figures, {len(bad)} of them impossible{odd}; correct what was not copied as published"
        )
    return f"{len(load())} figures, all possible"


def of_checkpoint(name: str) -> str:
    """Return where a checkpoint's file is; of an own network, that its weights fit.

    Raises:
        ClaimsError: a file is not there, or does not fit.
    """
    from harness.catalog.checkpoint_files import pinned, shipped_file, state
    from harness.catalog.checkpoints import checkpoint
    from harness.core.config import settings

    found = checkpoint(name)
    if not found.file:
        return state(found, settings().cache)
    found = pinned(found)
    path = shipped_file(found)
    if found.model:
        from harness.models.load import build_checkpoint, weights_of

        build_checkpoint(found, weights_of(found, path, released=True))
        return f"{found.model} with the weights of {found.file}"
    return found.file


def of_dataset(name: str) -> str:
    """Return how many examples a dataset has.

    Raises:
        ClaimsError: it is one of the folder's own and not there, or can't be read.
    """
    from harness.catalog.datasets import why_not_here
    from harness.data.registry import entries

    found = entries()[name]
    why = why_not_here(found)
    if why and found.own:
        raise ClaimsError(why)
    return f"{found.classes} classes, {found.train:,} training and {found.test:,} test examples" + (
        f"; {why}" if why else ""
    )


def of_measure(name: str) -> str:
    """Return what a measure calls, once its function, inputs and packages are found.

    Raises:
        ClaimsError: one is not there.
    """
    from harness.core.own_modules import function_of
    from harness.core.paper import FILE, paper
    from harness.evidence.measured.gather import digests_of, versions_of

    measure, where = paper().measure(name), f"{FILE}: measures.{name}"
    function_of(measure.function, paper().folder, where)
    files, packages = digests_of(measure.inputs, paper().folder, where), versions_of(measure.packages, where)
    return f"{measure.function}, {len(files)} input files, {len(packages)} packages"


def claims(folder: Path) -> Iterator[Finding]:
    """Yield what there is to say of the claim files: what each source lacks for their hypotheses."""
    from harness.catalog.claim_files import stating_functions
    from harness.core.own_modules import module_of
    from harness.evidence.questions import EvidenceRequest
    from harness.suite.selection import questions_in

    files = sorted(folder.glob(CLAIMS))
    if not files:
        yield Finding(CLAIMS, "missing", "no claim file; write one, e.g. test_claims.py")
    for file in files:
        try:
            module = module_of(file.stem, folder.absolute(), file.name)
            functions = stating_functions(vars(module))
            of_claims = dict.fromkeys(function.stated[0] for function in functions)
            asked = [each for claim in of_claims for each in questions_in(module, claim, EvidenceRequest())]
        except ClaimsError as error:
            yield Finding(file.name, "missing", str(error))
            continue
        if not of_claims:
            yield Finding(file.name, "note", "states no claim")
        for claim in of_claims:
            yield from of_claim(claim, [each for each in asked if each.claim == claim])


def of_claim(claim: Claim, asked: list[AnyQuestion]) -> Iterator[Finding]:
    """Yield what each source lacks for a claim's hypotheses."""
    for source in dict.fromkeys(str(each.source) for each in asked):
        of_source = [each for each in asked if str(each.source) == source]
        lacking = Counter(reason for each in of_source if (reason := lacks(each)))
        topic = f"{claim.id}, {source}"
        if not lacking:
            yield Finding(topic, "ok", f"{len(of_source)} hypotheses")
        for reason, number in lacking.items():
            # Figures that nobody published, and weights that are to be fetched, are no fault of the folder.
            state: Literal["missing", "note"] = "missing" if source == "measured" else "note"
            yield Finding(topic, state, f"{number} of {len(of_source)} hypotheses: {reason}")


def lacks(question: AnyQuestion) -> str:
    """Return why a question can't be judged here, as far as that is known before anything runs; ""."""
    from harness.core.hypotheses import terms_of
    from harness.core.source import GPU, MEASURED, PUBLISHED
    from harness.evidence.measured.gather import measurements
    from harness.evidence.published.gather import PublishedFigures
    from harness.evidence.released.needed_runs import lacking_data
    from harness.evidence.released.trial import trials
    from harness.judging.evidence import Missing
    from harness.judging.question import Question

    try:
        if question.source.kind == PUBLISHED and isinstance(question, Question):
            found = PublishedFigures().gather(question)
            return found.reason if isinstance(found, Missing) else ""
        if question.source.kind == MEASURED:
            measurements(question.claim, question.hypothesis)
        if question.source.kind == GPU and question.source.detail:
            for term in terms_of(question.hypothesis):
                for each in trials(*term, question.source.detail):
                    if reason := each.checkpoint.never_released or lacking_data(each.entry):
                        return str(reason)
    except ClaimsError as error:
        return str(error)
    return ""
