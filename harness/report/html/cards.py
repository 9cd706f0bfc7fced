"""One section per claim, folded: what the paper says, what can't be verified, the verdicts by source, and the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from harness.core.claim import Claim
from harness.core.source import MEASURED
from harness.core.verdict import Verdict
from harness.report.html import specification_plot
from harness.report.html.headline import Headline
from harness.report.html.learning_curves import learning_curves
from harness.report.html.page_rows import Context, SourceTable, source_table
from harness.report.html.runs_table import RunsTable, runs_table
from harness.report.html.settings import RecipeBlock, recipe_blocks
from harness.report.html.verdict_counts import Chip, chips
from harness.report.labels import GROUP_NOTES, GROUPS, LOOKS, base, group, group_order
from harness.report.run_records import RunRecord

CURVE_KEY = (
    "Every mark is one way of making the comparison, its choices below it; filled marks are significant by themselves"
    " (bars: 95 % intervals). Dashed: the median effect."
)
LEARNING_KEY = "Training loss, the mean over seeds and tasks, against the share of the training steps."


@dataclass(frozen=True)
class Figure:
    """A figure of a claim."""

    title: str
    svg: Markup
    key: str


@dataclass(frozen=True)
class Group:
    """The verdicts of one group of sources, a table for each source."""

    title: str
    note: str
    key: str
    """What the marks of its plots mean; "" without plots."""
    tables: tuple[SourceTable, ...]
    recipes: tuple[RecipeBlock, ...] = ()
    """Each recipe of its runs once, with every setting."""


@dataclass(frozen=True)
class Card:
    """One claim with all verdicts on it."""

    id: str
    title: str
    chips: tuple[Chip, ...]
    """Of a claim without answers."""
    headlines: tuple[Headline, ...]
    claim: Claim | None
    """None for a claim that only verdicts name."""
    quote: str
    groups: tuple[Group, ...]
    figures: tuple[Figure, ...]
    runs: RunsTable | None


@dataclass(frozen=True)
class OfClaim:
    """What there is on one claim."""

    verdicts: Sequence[Verdict]
    """In the report's order."""
    headlines: Sequence[Headline] = ()
    runs: Mapping[str, RunRecord] = field(default_factory=dict)
    """All that are known, by id."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Addresses of the stored records, by the run's id."""


def card(name: str, claim: Claim | None, found: OfClaim, context: Context) -> Card:
    """Return the section of one claim.

    Args:
        name: the claim's id.
        claim: what the paper says, if a claim file said it.
        found: verdicts, answers and runs.
        context: what the rows of its tables show besides.
    """
    verdicts = found.verdicts
    # Most papers have no numbers of their own.
    names = sorted({*(set(GROUPS) - {MEASURED}), *(group(verdict.source) for verdict in verdicts)}, key=group_order)
    table = runs_table(name, verdicts, found.runs, found.links)
    return Card(
        id=name,
        title=claim.title if claim else name,
        chips=() if found.headlines else chips(verdicts),
        headlines=tuple(found.headlines),
        claim=claim,
        quote=f"“{claim.quote.strip('“”')}”" if claim else "",
        groups=tuple(group_part(one, [v for v in verdicts if group(v.source) == one], context) for one in names),
        figures=(*curves(name, verdicts), *learning(name, verdicts, found.runs)),
        runs=table,
    )


def key_of(verdicts: Sequence[Verdict]) -> str:
    """Return what the marks in a group's plots mean, "" if nothing is drawn."""
    drawn = [verdict for verdict in verdicts if verdict.estimate is not None]
    if not drawn:
        return ""
    key = "● decided, ○ open; bars: confidence intervals at the level given. Line: no difference"
    key += (
        ", or the paper's figure where accuracies are compared with it."
        if any(verdict.published is not None for verdict in drawn)
        else "."
    )
    if any(verdict.tolerance is not None for verdict in drawn):
        key += " Shaded: the margin within which accuracies count as the same."
    if any(verdict.rows for verdict in drawn):
        key += " ■ a publication (95 % interval), as large as its weight, the paper in blue; □ not counted."
        key += " ◆ publications together, as wide as the interval; dotted: where another one would lie (95 %)."
    if any(verdict.components for verdict in drawn):
        key += " Of a hypothesis on several parts the row shows the one that decides."
    return key


def curves(name: str, verdicts: Sequence[Verdict]) -> list[Figure]:
    """Return the specification curves of a claim's orderings."""
    found: list[Figure] = []
    for verdict in verdicts:
        effects = specification_plot.effects_of(verdict.components) if verdict.kind == "Robust" else ()
        if not effects or verdict.estimate is None:
            continue
        unique = f"{name}-curve-{len(found)}"
        svg = specification_plot.specification_plot(unique, verdict.hypothesis, effects, verdict.estimate / 100)
        title = f"Specification curve: {verdict.about or verdict.hypothesis} ({LOOKS[verdict.verdict].word})"
        found.append(Figure(title, Markup(svg), CURVE_KEY))
    return found


def learning(name: str, verdicts: Sequence[Verdict], runs: Mapping[str, RunRecord]) -> list[Figure]:
    """Return the learning curves of a claim's runs, nothing where none of them trained."""
    used = [runs[run] for run in dict.fromkeys(run for verdict in verdicts for run in verdict.runs) if run in runs]
    svg = learning_curves(f"{name}-learning", used)
    if not svg:
        return []
    return [Figure("Learning curves", Markup(svg), LEARNING_KEY)]


def group_part(name: str, verdicts: Sequence[Verdict], context: Context) -> Group:
    """Return the verdicts of one group of sources."""
    parts: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        parts.setdefault(base(verdict.source), []).append(verdict)
    tables = tuple(source_table(source, parts[source], context) for source in sorted(parts))
    recipes = recipe_blocks([used for verdict in verdicts for used in verdict.recipes])
    return Group(GROUPS.get(name, name), GROUP_NOTES.get(name, ""), key_of(verdicts), tables, recipes)
