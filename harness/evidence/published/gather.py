"""Published figures as a source of evidence: every publication that has all sides is a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.core.errors import nearest
from harness.core.hypotheses import Close, Hypothesis, Ratio, Simple, datasets_of, simple_parts
from harness.core.paper import paper
from harness.evidence.published.costs import costs
from harness.evidence.published.costs import load as all_costs
from harness.evidence.published.figures import examples_by_dataset, publications
from harness.evidence.published.matching import Published
from harness.evidence.published.publication_rows import WEAKEST_FIRST, Row, linked, rows, rows_of_one
from harness.evidence.published.seed_spread import seed_spread
from harness.judging.evidence import Cost, Evidence, Missing, PublishedRow, PublishedSide
from harness.judging.question import Question


def quoted() -> tuple[str, ...]:
    """Return the source whose figures a Close hypothesis quotes, which can't confirm itself."""
    own = paper().defaults.publication
    return (own,) if own in publications() else ()


class PublishedFigures:
    """Gathers from the figures that others measured and published."""

    def gather(self, question: Question) -> Evidence | Missing:
        """Return what each publication says of every side, or that none has all sides of a part."""
        hypothesis = question.hypothesis
        if isinstance(hypothesis, Ratio):
            return cost_evidence(hypothesis)
        found = {part.id: part_rows(part) for part in simple_parts(hypothesis)}
        for part, listed in found.items():
            if not listed:
                return Missing(f"no publication has all sides of {part}")
        terms = {
            part.id: tuple((term.contender, term.on) for term in part.contrast.terms)
            for part in simple_parts(hypothesis)
        }
        cited = (row.citation for listed in found.values() for row in listed)
        return Evidence(rows=found, terms=terms, citations=tuple(dict.fromkeys(cited)))


def judges(hypothesis: Hypothesis) -> bool:
    """Return whether published figures say something of a hypothesis: of each of its parts some publication does."""
    if isinstance(hypothesis, Ratio):
        return not hypothesis.on and all(
            costs(contender, hypothesis.of) is not None for contender in (hypothesis.a, hypothesis.b)
        )
    return all(part_rows(part) for part in simple_parts(hypothesis))


def cost_evidence(hypothesis: Ratio) -> Evidence | Missing:
    """Return what the two sides of a ratio cost, as published."""
    found = [costs(contender, hypothesis.of) for contender in (hypothesis.a, hypothesis.b)]
    sides = [
        Cost(str(c), each.value, each.unit, each.citation)
        for c, each in zip((hypothesis.a, hypothesis.b), found, strict=True)
        if each
    ]
    if len(sides) < len(found):
        return Missing(f"no publication says what both sides cost in {hypothesis.of}")
    return Evidence(costs=tuple(sides), citations=tuple(dict.fromkeys(side.citation for side in sides)))


def no_costs(hypothesis: Ratio) -> str:
    """Return why no publication judges a ratio of costs, with what there is."""
    wanted = hypothesis.of
    there = list(dict.fromkeys(name for cost in all_costs() for name in (cost.quantity, cost.unit)))
    if wanted not in there:
        return (
            f"expected a cost of published/costs.json, found {wanted!r}{nearest(wanted, there)};"
            f" it has: {', '.join(there) or 'nothing'}"
        )
    lacking = [str(each) for each in (hypothesis.a, hypothesis.b) if costs(each, wanted) is None]
    return f"expected {wanted} of both sides in published/costs.json, found none of {' and '.join(lacking)}"


def part_rows(part: Simple) -> tuple[PublishedRow, ...]:
    """Return what each publication says of the sides of a simple hypothesis, in the order of its contrast's terms.

    Over several datasets a publication speaks where it has figures of all. A Close hypothesis takes only figures made
    with a recipe that it names a tolerance for. Nobody published figures of a dataset that only the user's own tables
    have.

    Raises:
        ClaimsError: a dataset that neither publications nor tables know.
    """
    datasets = datasets_of(part)
    if any(on not in examples_by_dataset() and in_tables(on) for on in datasets):
        return ()
    if isinstance(part, Close):
        tolerances = dict(part.within)
        listed = rows_of_one(part.a, part.on, exclude_sources=quoted(), recipes=tolerances)
        return tuple(published_row([row], [row.sides[0]], [part.a], tolerances[row.recipes[0]]) for row in listed)
    by_dataset = []
    for on in datasets:
        contenders = [term.contender for term in part.contrast.terms if term.on == on]
        by_dataset.append({row.publication: row for row in rows(contenders, on)})
    order = [term.contender for term in part.contrast.terms]
    together = joint(by_dataset)
    clusters = linked([frozenset(name for row in chosen for name in row.cluster.split("+")) for chosen in together])
    return tuple(
        replace(published_row(chosen, in_order(part, dict(zip(datasets, chosen, strict=True))), order), cluster=cluster)
        for chosen, cluster in zip(together, clusters, strict=True)
    )


def joint(by_dataset: Sequence[dict[str, Row]]) -> list[tuple[Row, ...]]:
    """Return the rows that publications have on all datasets, a tuple with one of each dataset.

    A publication's rows on different datasets belong together where they have one id; where a source has one row on a
    dataset and calls it otherwise (another table), that one.
    """
    first, *others = by_dataset
    found = []
    for name, row in first.items():
        chosen = [row]
        for listed in others:
            of_source = [other for other in listed.values() if other.source == row.source]
            if name in listed:
                chosen.append(listed[name])
            elif len(of_source) == 1:
                chosen.append(of_source[0])
        if len(chosen) == len(by_dataset):
            found.append(tuple(chosen))
    return found


def in_order(part: Simple, chosen: dict[str, Row]) -> list[Published]:
    """Return the sides of rows, one row a dataset, in the order of the contrast's terms."""
    left = {on: list(row.sides) for on, row in chosen.items()}
    return [left[term.on].pop(0) for term in part.contrast.terms]


def published_row(
    chosen: Sequence[Row], sides: Sequence[Published], contenders: Sequence[object], tolerance: float | None = None
) -> PublishedRow:
    """Return one publication's word on a simple hypothesis as evidence.

    Args:
        chosen: its rows, one a dataset.
        sides: its figures in the order of the contrast's terms.
        contenders: whose they are.
        tolerance: percentage points that its recipe allows, for Close.
    """
    origins = [row.origin for row in chosen]
    weakest = next(origin for origin in WEAKEST_FIRST if origin in origins)
    names = dict.fromkeys(row.publication for row in chosen)
    return PublishedRow(
        publication=" + ".join(names),
        cluster=chosen[0].cluster,
        origin=weakest,
        sides=tuple(
            PublishedSide(str(contender), side.value, parts_of(side), side.n, side.seeds)
            for contender, side in zip(contenders, sides, strict=True)
        ),
        citation="; ".join(dict.fromkeys(side.citation for side in sides)),
        tolerance=tolerance,
    )


def parts_of(side: Published) -> tuple[tuple[float, float | None], ...]:
    """Return the parts of a figure's variance: test examples, and its own spread over seeds or else what is published
    of the dataset, so that the interval speaks of new seeds. Weights that were only evaluated have no seeds."""
    first = side.figures[0]
    made = first.recipe or publications()[first.source].recipe
    spread = None if made == paper().defaults.evaluation else seed_spread(first.dataset)
    if not side.parts or side.over_seeds is not None or spread is None:
        return side.parts
    return (*side.parts, (spread.variance / side.seeds, spread.df))


def in_tables(name: str) -> bool:
    """Return whether a dataset stands in the tables, e.g. in the user's own."""
    from harness.data.registry import claimed, entries

    return all(part in entries() for part in claimed(name))
