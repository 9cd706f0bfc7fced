"""The runs that are needed, the cost of each, and the total, as known before anything is computed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from harness.core.errors import ClaimsError
from harness.core.specs import Backend, Checkpoint, Recipe
from harness.cost.cards import Card
from harness.cost.cpu_time import CpuTime
from harness.cost.downloads import Download, downloads
from harness.cost.measured_rates import Rates, rates_on
from harness.cost.measured_time import MeasuredTime
from harness.cost.run_cost import Cost, Job, cost
from harness.cost.step_time import CALL, LEAST
from harness.runs.store import Store

TOO_LARGE = "does not fit the card"
"""The state of a row whose runs nothing else keeps from being computed."""

Purpose = Literal["pipeline check", "learning-rate search", "final"]


@dataclass(frozen=True)
class PlannedRun:
    """One run that a claim needs."""

    claim: str
    checkpoint: Checkpoint
    dataset: str
    """Its id."""
    test: int
    """Scored examples: of the test set, or of the dev split."""
    classes: int
    recipe: Recipe
    """Resolved: with its steps. The learning rate may still have to be chosen."""
    purpose: Purpose = "final"
    hypotheses: tuple[str, ...] = ()
    """Ids of the hypotheses that ask for it."""
    seed: int = 0
    backend: Backend = "torch"
    run_id: str = ""
    """"" where it is not known yet: weights or data are not here, or the learning rate is not chosen."""
    stored: bool = False
    reason: str = ""
    """Why it can't be computed, e.g. "needs data: ..."; "" if it can."""
    fetches_weights: bool = True
    """Whether its weights are wanted: not for images that must be laid there by hand first."""
    fetches_data: bool = True
    """Whether its images are wanted: not where other runs keep it from being of use."""

    @property
    def identity(self) -> tuple[object, ...]:
        """The same for the same run, whichever claim asks for it."""
        if self.run_id:
            return (self.run_id,)
        named = (self.checkpoint.id, self.dataset, self.recipe.id, self.recipe.learning_rate)
        # A pipeline check may be the very run that a claim is judged by.
        return (*named, self.purpose == "learning-rate search", self.seed, self.backend)

    @property
    def group(self) -> tuple[object, ...]:
        """The same for runs that cost the same: they differ in seed, learning rate or released run."""
        recipe = replace(self.recipe, learning_rate=1.0)
        return (self.claim, self.purpose, self.checkpoint.upstream, self.dataset, recipe, self.backend, self.reason)


@dataclass(frozen=True)
class Row:
    """Runs of one purpose that differ in seed, learning rate or released run only."""

    claim: str
    """The first that asks for them; they are paid once."""
    also: tuple[str, ...]
    """Other claims that ask for them."""
    hypotheses: tuple[str, ...]
    purpose: Purpose
    checkpoint: str
    dataset: str
    recipe: str
    precision: str
    backend: Backend
    runs: int
    seeds: int
    rates: int
    stored: int
    state: str
    """"stored", "to compute", "2 of 3 stored", or why they can't be computed."""
    blocked: bool
    """Whether some are not stored and can't be computed: something is missing, or they do not fit the card."""
    run_ids: tuple[str, ...]
    """Those that are known."""
    each: Cost
    """Of one run."""
    others: tuple[str, ...] = ()
    """Further checkpoints: runs of the same fine-tuning, released as files of their own, that are evaluated."""

    @property
    def called(self) -> str:
        """The checkpoint, and how many others there are."""
        return f"{self.checkpoint} and {len(self.others)} more" if self.others else self.checkpoint

    @property
    def left(self) -> int:
        """Runs that are not stored."""
        return self.runs - self.stored

    @property
    def hours(self) -> float | None:
        """Hours of the runs that are not stored; None: unknown."""
        return None if self.left and self.each.hours is None else self.left * (self.each.hours or 0.0)


@dataclass(frozen=True)
class Plan:
    """What a session would compute, and what that costs."""

    rows: tuple[Row, ...]
    downloads: tuple[Download, ...]
    card: Card | None
    price_per_hour: float | None = None

    @property
    def hours(self) -> float:
        """GPU hours still to pay, where known: of runs that are not stored and can be computed."""
        return sum(row.hours or 0.0 for row in self.rows if not row.blocked)

    @property
    def hours_blocked(self) -> float:
        """GPU hours that runs would take which can't be computed now."""
        return sum(row.hours or 0.0 for row in self.rows if row.blocked)

    @property
    def unknown(self) -> int:
        """Number of runs that can be computed and whose hours are not known."""
        return sum(row.left for row in self.rows if not row.blocked and row.hours is None)

    @property
    def price(self) -> float | None:
        """What the hours still to pay cost; None without a price."""
        return None if self.price_per_hour is None else self.hours * self.price_per_hour

    @property
    def download_bytes(self) -> int:
        """Bytes to download, where known."""
        return sum(each.bytes or 0 for each in self.downloads)

    @property
    def too_large(self) -> tuple[Row, ...]:
        """Rows whose runs do not fit the card."""
        return tuple(row for row in self.rows if row.each.fits is False and row.left)


def plan(
    runs: Iterable[PlannedRun],
    card: Card | None,
    *,
    home: Path | None = None,
    cache: Path | None = None,
    offline: bool = True,
    price_per_hour: float | None = None,
    store: Store | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Plan:
    """Return what runs cost on a card. Nothing is downloaded or computed.

    Args:
        runs: those needed, in order; one that several claims need comes once for each.
        card: the card; None: FLOPs and memory only.
        home: the home folder, where counts are kept.
        cache: where downloads lie; None: downloads are left out.
        offline: ask no server for sizes.
        price_per_hour: of the card, in any currency.
        store: results, by whose speed on the card the same work is planned; None: all is planned by the model.
        progress: called with the number of rows that are priced, of all, and what the next one is of: counting the
            work of a network for the first time takes seconds.

    Raises:
        ClaimsError: the home folder can't be written.
    """
    first: dict[tuple[object, ...], PlannedRun] = {}
    also: dict[tuple[object, ...], dict[str, None]] = {}
    for run in runs:
        known = first.get(run.identity)
        if known is None:
            first[run.identity] = run
            also[run.identity] = {}
            continue
        asking = dict.fromkeys((*known.hypotheses, *run.hypotheses))
        first[run.identity] = replace(
            known,
            hypotheses=tuple(asking),
            reason=known.reason if run.reason else "",  # one that can use it is enough
            fetches_weights=known.fetches_weights or run.fetches_weights,
            fetches_data=known.fetches_data or run.fetches_data,
        )
        if run.claim != known.claim:
            also[run.identity].setdefault(run.claim)
    groups: dict[tuple[tuple[object, ...], tuple[str, ...]], list[PlannedRun]] = {}
    for identity, run in first.items():
        groups.setdefault((run.group, tuple(also[identity])), []).append(run)
    rates = None if card is None or store is None else rates_on(card, store, cache)
    unsorted = []
    for number, ((_, other), of) in enumerate(groups.items()):
        if progress is not None:
            progress(number, len(groups), of[0].checkpoint.id)
        unsorted.append(_row(of, other, card, home, cache, rates))
    rows = tuple(sorted(unsorted, key=lambda row: row.claim))  # otherwise in the order they are asked for
    lacking = [run for run in first.values() if not run.stored]
    found: list[Download] = []
    if cache is not None:
        weights = (run.checkpoint for run in lacking if run.fetches_weights)
        images = (run.dataset for run in lacking if run.fetches_data)
        found = downloads(weights, images, cache, offline=offline)
    return Plan(rows, tuple(found), card, price_per_hour)


def _row(
    of: Sequence[PlannedRun],
    also: tuple[str, ...],
    card: Card | None,
    home: Path | None,
    cache: Path | None,
    rates: Rates | None,
) -> Row:
    run = of[0]
    job = Job(run.checkpoint, run.recipe, run.test, run.classes, run.backend)
    each = cost(job, card, home=home, cache=cache, rates=rates)
    stored = sum(one.stored for one in of)
    if stored == len(of):
        state = "stored"
    elif run.reason:
        state = run.reason
    elif each.fits is False:
        state = TOO_LARGE
    else:
        state = f"{stored} of {len(of)} stored" if stored else "to compute"
    return Row(
        claim=run.claim,
        also=also,
        hypotheses=tuple(dict.fromkeys(name for one in of for name in one.hypotheses)),
        purpose=run.purpose,
        checkpoint=run.checkpoint.id,
        dataset=run.dataset,
        recipe=run.recipe.id,
        precision=run.recipe.precision,
        backend=run.backend,
        runs=len(of),
        seeds=len({one.seed for one in of}),
        rates=len({one.recipe.learning_rate for one in of}),
        stored=stored,
        state=state,
        blocked=(bool(run.reason) or each.fits is False) and stored < len(of),
        run_ids=tuple(one.run_id for one in of if one.run_id),
        each=each,
        others=tuple(dict.fromkeys(one.checkpoint.id for one in of))[1:],
    )


def require_within(found: Plan, most: float) -> None:
    """Refuse a plan that takes more GPU hours than allowed.

    Args:
        found: the plan.
        most: hours.

    Raises:
        ClaimsError: dearer, or on a card whose hours are not known.
    """
    if found.hours > most:
        dearest = max((row for row in found.rows if not row.blocked), key=lambda row: row.hours or 0.0)
        raise ClaimsError(
            f"--max-gpu-hours: expected at most {most:g} GPU hours, found about {found.hours:.1f} (most of it,"
            f" {dearest.hours or 0.0:.1f}, {dearest.called} on {dearest.dataset} with recipe {dearest.recipe});"
            " allow more, or select fewer claims, fewer --seeds or a shorter --recipe"
        )


def to_json(found: Plan, micro: Sequence[CpuTime] = (), measured: Sequence[MeasuredTime] = ()) -> str:
    """Return a plan as JSON: the card, the assumptions, a record for each row, the downloads and the sums.

    Args:
        found: the plan.
        micro: what the micro study's runs take on this machine.
        measured: what measurements of the paper's own numbers take.
    """
    rows = [dataclasses.asdict(row) | {"left": row.left, "hours": row.hours} for row in found.rows]
    content = {
        "card": None if found.card is None else dataclasses.asdict(found.card),
        "model": {"least_seconds_a_kernel": LEAST, "host_seconds_an_operation": CALL},
        "rows": rows,
        "downloads": [dataclasses.asdict(each) for each in found.downloads],
        "totals": {
            "runs": sum(row.runs for row in found.rows),
            "stored": sum(row.stored for row in found.rows),
            "to_compute": sum(row.left for row in found.rows if not row.blocked),
            "blocked": sum(row.left for row in found.rows if row.blocked),
            "hours": found.hours,
            "hours_blocked": found.hours_blocked,
            "runs_of_unknown_hours": found.unknown,
            "download_bytes": found.download_bytes,
            "price_per_hour": found.price_per_hour,
            "price": found.price,
        },
        "micro": [dataclasses.asdict(each) | {"left": each.left} for each in micro],
        "measured": [dataclasses.asdict(each) | {"left": each.left} for each in measured],
    }
    return json.dumps(content, indent=1) + "\n"
