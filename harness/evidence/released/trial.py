"""What is needed to measure a contender: its released checkpoint, the images, and the recipe."""

from __future__ import annotations

from dataclasses import dataclass

from harness.catalog.checkpoint_files import file_of, pinned
from harness.catalog.checkpoints import is_released
from harness.catalog.checkpoints import resolve_all as released
from harness.catalog.datasets import pinned_dataset, unpinned_dataset
from harness.catalog.recipes import protocol, resolve, with_rate
from harness.catalog.stated import complete, settle
from harness.core.errors import ClaimsError, unknown
from harness.core.hypotheses import Contender
from harness.core.paper import paper
from harness.core.run import Run
from harness.core.specs import Backend, Checkpoint, Dataset, Recipe
from harness.data.imagenet_real import ID as REAL_LABELS
from harness.data.registry import Entry, claimed, entries

DEVELOPMENT_SEED = 1000
"""Seed of the runs that learning rates are chosen by; never judged."""


@dataclass(frozen=True)
class Trial:
    """A contender's checkpoint on one of the paper's datasets, before anything is fetched."""

    contender: Contender
    checkpoint: Checkpoint
    """As in the zoo, its file perhaps not here."""
    entry: Entry
    """The images: for ReaL those of ImageNet."""
    recipe: Recipe
    """Resolved for both; the learning rate may still have to be chosen from the recipe's grid."""
    by_real_labels: bool = False
    """Scored by ReaL labels."""

    def seeds(self, count: int) -> tuple[int, ...]:
        """Return the seeds of the final runs: one for an evaluation, in which nothing is random."""
        return (0,) if self.recipe.evaluates_only else tuple(range(count))

    @property
    def searches(self) -> bool:
        """Whether a learning rate must be chosen first."""
        return not self.recipe.frozen and self.recipe.learning_rate is None


@dataclass(frozen=True)
class Material:
    """A trial's checkpoint and dataset, here and pinned by their digests."""

    checkpoint: Checkpoint
    dataset: Dataset
    recipe: Recipe | None = None
    """The trial's with what a checkpoint of the user's own states of its input; None: the trial's as it is."""
    outputs: tuple[int, ...] = ()
    """Where its head is kept: its output for each class; (): output n is class n."""
    class_order: str = ""
    """Where that comes from."""


def trials(contender: Contender, on: str, protocol_name: str) -> tuple[Trial, ...]:
    """Return what it takes to measure a contender on one of the paper's datasets: one trial, or several evaluations.

    On the dataset of its own head a checkpoint is evaluated as it is; any other is fine-tuned by the protocol's recipe
    for its family, with a seed a run. Where its authors released several runs that they fine-tuned on the dataset, each
    file is a trial, and their evaluations are the contender's runs.

    Args:
        contender: as the paper names it.
        on: the claim's name of the dataset.
        protocol_name: a protocol or recipe of recipes.toml.

    Raises:
        ClaimsError: the zoo has no such checkpoint, there is no such dataset, protocol or recipe, or the recipe
            trains nothing and the checkpoint has another number of classes.
    """
    return tuple(_trial(contender, found, on, protocol_name) for found in released(contender, on))


def trial(contender: Contender, on: str, protocol_name: str) -> Trial:
    """Return the one trial of a contender, or the first of several: see `trials`."""
    return trials(contender, on, protocol_name)[0]


def _trial(contender: Contender, found: Checkpoint, on: str, protocol_name: str) -> Trial:
    head, parts = paper().scored_by(on), claimed(on)
    evaluated = bool(found.tuned_on) or (head is not None and found.classes == head.classes)
    name = head.training if head is not None and not evaluated else parts[0]
    if name not in entries():
        raise unknown("dataset", on, entries())
    entry = entries()[name]
    own = paper().measured_by_on(on)
    recipe_name = paper().defaults.evaluation if evaluated else protocol(own or protocol_name, found.family)
    recipe = resolve(recipe_name, found, unpinned_dataset(entry, train=not evaluated))
    if recipe.evaluates_only and found.classes not in (None, entry.classes):
        raise ClaimsError(
            f"{found.id} on {on}: expected a recipe that fine-tunes, because its head has {found.classes:,} classes and"
            f" not {entry.classes:,}, found {recipe.id}; choose another with --recipe"
        )
    return Trial(contender, found, entry, recipe, by_real_labels=REAL_LABELS in parts)


def material(of: Trial, fetch: bool) -> Material:
    """Return a trial's checkpoint and dataset with their digests.

    Args:
        of: the trial.
        fetch: fetch what is not here, as the settings allow; False: use only what is on this machine.

    Raises:
        ClaimsError: something is not here and can't be had, with the reason.
    """
    if of.checkpoint.never_released:
        raise ClaimsError(f"{of.checkpoint.id}: never released: {of.checkpoint.never_released}")
    # The images first: what must be laid there by hand is known before gigabytes of weights come for nothing.
    images = pinned_dataset(of.entry, train=not of.recipe.evaluates_only, fetch=fetch)
    offline = None if fetch else True
    found, recipe = pinned(of.checkpoint, offline=offline), of.recipe
    if not is_released(found):
        found = complete(found, file_of(of.checkpoint, offline=offline))
        recipe = resolve(recipe.id, found, images)
    return Material(found, images, recipe, **settle(found, images, recipe))


def runs(of: Trial, here: Material, rate: float | None, seeds: tuple[int, ...], backend: Backend) -> tuple[Run, ...]:
    """Return the final runs of a trial, a seed each; `rate` where one was chosen."""
    resolved = here.recipe or of.recipe
    recipe = resolved if rate is None else with_rate(resolved, rate)
    return tuple(
        Run(
            here.checkpoint,
            here.dataset,
            recipe,
            seed,
            backend,
            outputs=here.outputs,
            class_order=here.class_order,
        )
        for seed in seeds
    )


def grid(of: Trial, here: Material, backend: Backend) -> dict[float, Run]:
    """Return the runs that a learning rate is chosen by, scored on the dev split, by rate."""
    # The grid's run trains on all but the dev split whatever the final run does.
    recipe = here.recipe or of.recipe
    return {
        rate: Run(here.checkpoint, here.dataset, with_rate(recipe, rate), DEVELOPMENT_SEED, backend, "dev")
        for rate in recipe.learning_rate_grid
    }


def caveats(contenders: tuple[Contender, ...]) -> tuple[str, ...]:
    """Return what else differs between contenders of different releases, in a clause each; none if nothing is known."""
    variants = {contender.variant for contender in contenders}
    listed = dict(paper().caveats)
    known = tuple(listed[variant] for variant in sorted(variants) if variant in listed)
    return known if len(variants) > 1 else ()
