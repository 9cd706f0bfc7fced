"""What released checkpoints cost: FLOPs counted on their networks, and time measured on an accelerator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median

from harness.core.config import home
from harness.core.errors import unknown
from harness.core.hypotheses import Ratio
from harness.core.result import Result
from harness.cost.flops import work
from harness.cost.networks import network
from harness.cost.run_cost import Job, flops
from harness.evidence.contender_runs import ContenderRuns
from harness.evidence.released.trial import Trial
from harness.evidence.source import NotComputed, RunProvider
from harness.fetch import settings
from harness.judging.evidence import Cost, Evidence, Term

FINE_TUNING = "fine-tuning FLOPs"
"""Of a whole run by its recipe, forward and backward, the evaluation left out."""
AN_IMAGE = "FLOPs an image"
"""Of classifying one image at the resolution that the recipe tests at."""
SECONDS = "fine-tuning seconds an image"
"""Wall time of the training loop, waiting for images included; the median over seeds."""
COUNTED = (FINE_TUNING, AN_IMAGE)
"""What needs neither weights nor an accelerator."""
QUANTITIES = (*COUNTED, SECONDS)


def require_quantity(hypothesis: Ratio) -> None:
    """Refuse a ratio of what is neither counted nor measured.

    Raises:
        ClaimsError: there is no such quantity.
    """
    if hypothesis.of not in QUANTITIES:
        raise unknown("cost on a dataset", hypothesis.of, QUANTITIES, hypothesis.id)


def untrained(hypothesis: Ratio, trials: Mapping[Term, Trial]) -> str:
    """Return why there is no cost of fine-tuning: a side is not fine-tuned on the dataset; "" if both are."""
    if hypothesis.of == AN_IMAGE:
        return ""
    found = [str(contender) for (contender, _), of in trials.items() if of.recipe.frozen]
    return f"{' and '.join(found)}: not fine-tuned on {hypothesis.on}, which costs nothing to compare" if found else ""


def counted(hypothesis: Ratio, trials: Mapping[Term, Trial]) -> Evidence:
    """Return the FLOPs of both sides.

    Args:
        hypothesis: a ratio of a counted quantity.
        trials: of its two sides.

    Raises:
        ClaimsError: a network is not known without its file, or does not take the resolution.
    """
    found, counts = [], home()  # where they are kept: tracing a large network takes seconds
    for (contender, _), of in trials.items():
        built, recipe = network(of.checkpoint, settings().cache), of.recipe
        job = Job(of.checkpoint, recipe, of.entry.test, of.entry.classes)
        if hypothesis.of == FINE_TUNING:
            count, scale, unit = flops(job, built, counts)[0], 1e15, "P"
            how = f"{recipe.steps or 0:,} steps of {recipe.batch_size} images at {recipe.resolution} pixels"
        else:
            count, scale, unit = work(built, recipe.side, counts).test_flops(of.entry.classes), 1e9, "G"
            how = f"one image at {recipe.side} pixels"
        title = f"{contender} as {of.checkpoint.id} ({recipe.id}: {how})"
        found.append(Cost(title, count / scale, f"{unit}FLOP", "counted by torch's flop counter"))
    return Evidence(costs=tuple(found), task=task_of(trials.values()))


def measured(planned: Mapping[Term, ContenderRuns], provider: RunProvider) -> tuple[Cost, ...]:
    """Return the seconds that an image took while fine-tuning, a side each.

    Args:
        planned: the runs of both sides, which are stored.
        provider: gives their results.

    Raises:
        NotComputed: they were computed on a CPU, or on different cards: such times can't be compared.
    """
    by_side = {term: provider.stored(of.runs) for term, of in planned.items()}
    cards = {device_of(result) for results in by_side.values() for result in results}
    if len(cards) != 1 or cards & {"cpu", ""}:
        raise NotComputed(
            f"{SECONDS}: expected runs on one kind of card, found {', '.join(sorted(cards)) or 'none'}; compute both"
            " sides on one"
        )
    (card,) = cards
    return tuple(
        Cost(
            f"{planned[term].title} on a {card}",
            1 / median(result.images_per_second for result in results),
            "s an image",
            "measured",
        )
        for term, results in by_side.items()
    )


def device_of(result: Result) -> str:
    """Return what computed a run: a card's name, or "cpu"; "" where it does not say."""
    return dict(result.environment).get("device", "")


def task_of(trials: Iterable[Trial]) -> str:
    """Return the images of trials, with their titles."""
    titles = (
        f"{each.entry.id}: {each.entry.title}" + (", ReaL labels" if each.by_real_labels else "") for each in trials
    )
    return "; ".join(dict.fromkeys(titles))
