"""The reasons that verdicts give, in one line each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from harness.core.hypotheses import (
    Better,
    Close,
    Compound,
    Contender,
    Equivalent,
    Interaction,
    Ratio,
    Simple,
    VerdictName,
)
from harness.core.measure import POINTS, figure
from harness.core.specs import Backend
from harness.core.verdict import Component, Verdict
from harness.judging.estimate import Contrasted
from harness.judging.evidence import ACCURACY, Cost, DivergedRun, Evidence, MeasuredAs
from harness.stats.estimate import Estimate
from harness.stats.specification_curve import SpecificationCurve

POSITION: Mapping[VerdictName, str] = {
    "REPRODUCED": "within",
    "REFUTED": "outside",
    "INCONCLUSIVE": "neither inside nor outside",
}
"""Where an interval lies with respect to a margin."""


def one_line(reason: object) -> str:
    """Return a reason in one line: a fetch that failed says what each source lacks in a line of its own."""
    return re.sub(r"\s*\n\s*", "; ", re.sub(r":\s*\n\s*", ": ", str(reason).strip()))


def renamed(text: str, names: Iterable[tuple[str, str]]) -> str:
    """Return a text with names replaced, longest first, for a source of evidence that has its own."""
    for name, own in sorted(names, key=lambda pair: -len(pair[0])):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", own, text)
    return text


def in_points(estimate: Estimate, unit: str = POINTS) -> str:
    """Return an estimate in percentage points, or in another unit, with its interval and level, if it has an error."""
    if not estimate.standard_error:
        return f"{figure(100 * estimate.value, unit, signs=True)} {unit}, without an error"
    value, low, high = (figure(100 * part, unit, signs=True) for part in (estimate.value, estimate.low, estimate.high))
    return f"{value} {unit} [{low}, {high}] at {100 * estimate.level:.2f} %"


def difference(a: object, b: object, estimate: Estimate) -> str:
    """Return what is subtracted from what, and the difference."""
    return f"{a} minus {b}: {in_points(estimate)}"


def contrast(hypothesis: Simple, found: Contrasted, kind: MeasuredAs = ACCURACY) -> str:
    """Return what is compared, and what it comes to. Where lower is better, what is subtracted changes places."""
    turned = ", lower is better" if kind.sign(hypothesis) < 0 else ""
    if isinstance(hypothesis, Close):
        what = f"{hypothesis.a} minus {hypothesis.to:g}"
    elif isinstance(hypothesis, Better):
        first, second = (hypothesis.than, hypothesis.a) if turned else (hypothesis.a, hypothesis.than)
        return f"{first} minus {second}: {in_points(found.estimate, kind.unit)}"
    elif isinstance(hypothesis, Equivalent):
        what = f"{hypothesis.a} minus {hypothesis.b}"
    elif isinstance(hypothesis, Interaction):
        what = "one gain minus the other"
    else:
        what = f"mean of {len(hypothesis.of)} differences"
    return f"{what}{turned}: {in_points(found.estimate, kind.unit)}"


def parts(
    hypothesis: Compound,
    components: Sequence[Component],
    shown: Component | None,
    undefined: str,
    unit: str = POINTS,
) -> str:
    """Return how many parts of a compound hypothesis hold, and what the part that decides comes to."""
    holding = sum(part.holds is True for part in components)
    failing = sum(part.holds is False for part in components)
    line = f"{holding} of {len(components)} hold, {failing} do not, {len(components) - holding - failing} are open"
    if shown is not None:
        ends = (shown.estimate, shown.low, shown.high)
        value, low, high = (figure(each, unit, signs=True) for each in ends if each is not None)
        line += f"; hinges on {shown.hypothesis}: {value} {unit} [{low}, {high}]"
    return "; ".join([line, *([undefined] if undefined else [])])


def curve(found: SpecificationCurve) -> str:
    """Return what a specification curve comes to."""
    test = found.by_networks or found.by_examples
    return (
        f"median effect {100 * found.median:+.2f} points over {len(found.effects)} specifications; the ordering holds"
        f" in {found.holds:.0%} of them, significantly in {found.decided_for:.0%}, the reverse in"
        f" {found.decided_against:.0%}; joint permutation test over {test.unit}"
    )


def costs(hypothesis: Ratio, a: Cost, b: Cost) -> str:
    """Return what a ratio of costs comes to."""
    return (
        f"{a.title} {a.value:g} / {b.title} {b.value:g} {a.unit} = {a.value / b.value:.3g}, stated at most"
        f" {hypothesis.at_most:g}"
    )


def how_sure(verdict: Verdict, name: VerdictName) -> list[str]:
    """Return what an estimate leaves to be said: what was not decided and why, and what it is conditional on."""
    said = []
    if verdict.negligible:
        said.append("no difference that matters")
    elif name == "INCONCLUSIVE":
        if verdict.smallest_detectable is not None:
            said.append(
                f"too little data: a difference of {figure(verdict.smallest_detectable, verdict.unit)} would be found"
                " (80 % power)"
            )
        if verdict.seeds_needed is not None:
            said.append(f"{verdict.seeds_needed} seeds would find the difference seen")
    if verdict.conditional:
        said.append(f"conditional on {verdict.conditional}" if verdict.se_examples is not None else verdict.conditional)
    if verdict.outliers:
        runs = ", ".join(verdict.outliers)
        said.append(f"stands out among its seeds, and is counted as the others: {runs}")
    return said


def family(size: int, function: str, look: str = "") -> str:
    """Return which hypotheses share the error rate, and how."""
    shared = f"{size} in {function}, Holm" if size > 1 else "by itself"
    return f"{shared}; {look}" if look else shared


def rule(version: int, size: int, function: str) -> str:
    """Return how a verdict is reached, for the lock."""
    return f"rules {version}; {family(size, function)}"


def position(verdict: VerdictName, margin: float) -> str:
    """Return where an interval lies with respect to a margin in percentage points."""
    return f"{POSITION[verdict]} ± {margin:g}"


def why_unscored(evidence: Evidence) -> str:
    """Return why a contender has no accuracy, for training diverged; "" if each has one."""
    for search in evidence.searches:
        if search.chosen is None:
            return every_rate_diverged(search.contender)
    diverged = {term: side.diverged for term, side in evidence.sides.items() if side.diverged}
    if not diverged:
        return ""
    term = next(iter(diverged))
    return runs_diverged(term[0], diverged[term], sum(map(len, diverged.values())) - 1)


def every_rate_diverged(contender: Contender) -> str:
    """Return why there are no final runs."""
    return f"{contender}: every learning rate of the grid diverged"


def runs_diverged(contender: Contender, runs: Iterable[DivergedRun], others: int) -> str:
    """Return why there is no accuracy: which run diverged first, and how many other runs did."""
    first = next(iter(runs))
    more = f" (and {others} more run{'s' * (others > 1)})" if others else ""
    return f"{contender} diverged with seed {first.seed}{more}, so there is no accuracy: {first.reason}"


def remarks(evidence: Evidence) -> list[str]:
    """Return what a reader must keep in mind besides the figures."""
    return [
        *([f"mind: {'; '.join(evidence.caveats)}"] if evidence.caveats else []),
        *(
            f"the evaluation of {check.family} networks is unchecked,"
            f" for {check.dataset} or {check.checkpoint} is not here"
            for check in evidence.pipeline_checks
            if check.accuracy is None
        ),
    ]


def by_framework(verdicts: Mapping[Backend, Verdict]) -> str:
    """Return what each framework says."""
    return ", ".join(f"{backend}: {verdict.verdict}" for backend, verdict in verdicts.items())


def recipe_without_tolerance(hypothesis: Close, recipe: str) -> str:
    """Return why a run of a recipe is not compared with the published figure."""
    allowed = ", ".join(name for name, _ in hypothesis.within)
    return (
        f"a run by the recipe {recipe} is not judged by the published {hypothesis.to:g} %, which means something for"
        f" {allowed}; choose one with --recipe"
    )


def not_on_this_machine(names: Iterable[str]) -> str:
    """Return which checkpoints and datasets are lacking, and how they are fetched."""
    return f"not on this machine: {', '.join(names)}; pytest -m gpu, where there is an accelerator, fetches them"
