"""runs.json: what each run behind the verdicts was and gave, without its predictions but with what it got right."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from harness.core.errors import ClaimsError
from harness.core.measure import POINTS
from harness.core.measurement import Measurement, Scores
from harness.core.paths import write_atomic
from harness.core.result import Result
from harness.core.run import Run
from harness.core.specs import STRICT, Backend, Natural, build
from harness.core.verdict import Verdict
from harness.report.record_files import SCHEMA_VERSION, read_record_file
from harness.report.serialise import to_values
from harness.runs.store import Store

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

RUNS_FILE = "runs.json"
LOSSES = 40
"""Places of a learning curve that are kept."""
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, config=STRICT)
class RunRecord:
    """One run as a report keeps it: enough to compare it with the same run made elsewhere."""

    id: str
    checkpoint: str
    architecture: str
    pretrained_on: str
    checkpoint_sha256: str
    dataset: str
    dataset_sha256: str
    recipe: str
    """Id of the recipe."""
    shots: Natural | None
    """Training examples a class, where a linear classifier is fitted to them; None: fine-tuning."""
    settings: str
    """Sixteen digits of a digest of everything but the seed: runs that share it are one side, a seed each."""
    seed: Natural
    backend: Backend | Literal[""]
    """"" of a measurement: a paper's own function computes with whatever it likes."""
    split: str
    evaluates_only: bool
    """Whether nothing in it is random, so that there is one run and no other seed."""
    n: Natural
    """Scored examples."""
    correct: Natural
    accuracy: float | None
    """Top-1 in percent, from integer counts; None: the run diverged. Of a measurement its mean in `unit`, which is
    percent for points."""
    diverged: str
    """Why there are no predictions; "" where there are some."""
    hits: str
    """Which examples it got right: a bit an example in their order, the first in the highest bit of the first byte,
    in base64."""
    predictions_sha256: Digest
    labels_sha256: Digest
    seconds: float
    """Wall time of loading, fine-tuning and evaluation."""
    images_per_second: float
    """Training images per second of wall time."""
    peak_memory: Natural
    """Bytes."""
    device_memory: Natural
    """Bytes; 0 on a CPU."""
    environment: tuple[tuple[str, str], ...]
    """(name, version) pairs of what computed it, with the device."""
    computed: str = ""
    """When its result was stored here, ISO 8601; "" where that is not known."""
    origin: str = ""
    """Where it was made, if not here: the bundle that it was imported from."""
    losses: tuple[float, ...] = ()
    """Training loss at LOSSES places from the first to the last step, each the mean of the steps around it; none of
    what did not train in several steps, or diverged."""
    scores: str = ""
    """Of a measurement, whose `hits` are empty: its scores as its function returned them, 64-bit floats, the lowest
    byte first, in base64. Its function stands as the recipe, the contender as the checkpoint, with the digest of the
    function's source."""
    unit: str = POINTS

    @property
    def device(self) -> str:
        """What computed it, "cpu" or a card's name; "" in records that don't say."""
        return dict(self.environment).get("device", "")

    @property
    def on_card(self) -> bool:
        """Whether an accelerator computed it."""
        return self.device not in ("", "cpu")

    @property
    def framework(self) -> str:
        """What computed it, with its version."""
        return f"{self.backend} {dict(self.environment).get(self.backend, '')}".rstrip()

    @property
    def memory(self) -> int:
        """Peak, bytes: of the card where there was one, else of the process."""
        return self.device_memory or self.peak_memory

    def scored(self) -> npt.NDArray[np.float64] | npt.NDArray[np.bool_]:
        """Return the score of each example, shape (n,): of a run whether it was predicted correctly.

        Raises:
            ClaimsError: they are damaged.
        """
        import numpy as np

        if not self.scores:
            return self.got_right()
        try:
            found = np.frombuffer(base64.b64decode(self.scores, validate=True), dtype="<f8")
        except ValueError:
            found = np.zeros(0)
        if len(found) != self.n:
            raise ClaimsError(f"run {self.id}: scores: expected {self.n:,}, found {len(found):,}; remove the record")
        return found

    def got_right(self) -> npt.NDArray[np.bool_]:
        """Return whether each example was predicted correctly, shape (n,); empty for a run that diverged.

        Raises:
            ClaimsError: the bits are damaged, or are not as many right ones as `correct` says.
        """
        import numpy as np

        try:
            packed = np.frombuffer(base64.b64decode(self.hits, validate=True), dtype=np.uint8)
        except ValueError:
            raise ClaimsError(
                f"run {self.id}: hits: expected base64, found something else; remove the record"
            ) from None
        scored = 0 if self.diverged else self.n
        found = np.unpackbits(packed, count=scored).astype(bool) if packed.size else np.zeros(0, bool)
        if len(packed) != -(-scored // 8) or int(found.sum()) != self.correct:
            raise ClaimsError(
                f"run {self.id}: hits: expected {self.correct:,} right of {scored:,} examples, found"
                f" {int(found.sum()):,}; remove the record"
            )
        return found


def run_record(run: Run, result: Result, computed: str = "", origin: str = "") -> RunRecord:
    """Return the record of a run with its result."""
    import dataclasses

    import numpy as np

    hits = [] if result.diverged else [p == y for p, y in zip(result.predictions, result.labels, strict=True)]
    return RunRecord(
        id=run.id,
        checkpoint=run.checkpoint.id,
        architecture=run.checkpoint.architecture,
        pretrained_on=run.checkpoint.pretrained_on,
        checkpoint_sha256=run.checkpoint.sha256 or "",
        dataset=run.dataset.id,
        dataset_sha256=run.dataset.sha256,
        recipe=run.recipe.id,
        shots=run.recipe.shots,
        settings=dataclasses.replace(run, seed=0).id,
        seed=run.seed,
        backend=run.backend,
        split=run.split,
        evaluates_only=run.recipe.evaluates_only,
        n=result.n,
        correct=result.correct,
        accuracy=None if result.diverged else result.accuracy,
        diverged=str(result.diverged or ""),
        hits=base64.b64encode(np.packbits(np.asarray(hits, dtype=bool)).tobytes()).decode(),
        predictions_sha256=result.predictions_sha256,
        labels_sha256=result.labels_sha256,
        seconds=result.seconds,
        images_per_second=result.images_per_second,
        peak_memory=result.peak_memory,
        device_memory=result.device_memory,
        environment=result.environment,
        computed=computed,
        origin=origin,
        losses=() if result.diverged else resampled(result.loss_history),
    )


def measurement_record(asked: Measurement, found: Scores, computed: str = "", origin: str = "") -> RunRecord:
    """Return the record of a measurement with its scores."""
    import dataclasses

    import numpy as np

    return RunRecord(
        id=asked.id,
        checkpoint=str(asked.contender),
        architecture=asked.contender.architecture,
        pretrained_on=asked.contender.pretrained_on,
        checkpoint_sha256=asked.source_sha256,
        dataset=asked.dataset,
        dataset_sha256=asked.inputs_sha256,
        recipe=asked.function,
        shots=None,
        settings=dataclasses.replace(asked, seed=0).id,
        seed=asked.seed,
        backend="",
        split="",
        evaluates_only=False,
        n=found.n,
        correct=0,
        accuracy=100 * found.mean if asked.unit == POINTS else found.mean,
        diverged="",
        hits="",
        predictions_sha256=found.values_sha256,
        labels_sha256=found.examples_sha256,
        seconds=found.seconds,
        images_per_second=0.0,
        peak_memory=found.peak_memory,
        device_memory=0,
        environment=found.environment,
        computed=computed,
        origin=origin,
        scores=base64.b64encode(np.asarray(found.values, dtype="<f8").tobytes()).decode(),
        unit=asked.unit,
    )


def resampled(losses: Sequence[float]) -> tuple[float, ...]:
    """Return a learning curve at LOSSES places, each the mean of the steps around it; none of a single step."""
    last = len(losses) - 1
    if last < 1:
        return ()
    half = len(losses) // (2 * LOSSES)
    middles = [round(at * last / (LOSSES - 1)) for at in range(LOSSES)]
    windows = [losses[max(0, middle - half) : middle + half + 1] for middle in middles]
    return tuple(float(f"{sum(window) / len(window):.5g}") for window in windows)


def run_ids(verdicts: Iterable[Verdict]) -> list[str]:
    """Return the ids of all runs behind verdicts, those of searches for learning rates too; each once, sorted."""
    found = {run for verdict in verdicts for run in verdict.runs}
    return sorted(found | {run for verdict in verdicts for rate in verdict.searched for run in rate.runs})


def gathered(
    verdicts: Iterable[Verdict], store: Store | None, earlier: Mapping[str, RunRecord]
) -> tuple[dict[str, RunRecord], list[str]]:
    """Return the record of every run behind verdicts, as far as it is known.

    Args:
        verdicts: of the report.
        store: where results lie; None: there are none.
        earlier: what the report knew before: runs of another machine are only there.

    Returns:
        The records by id, and what could not be read, one line each.
    """
    from harness.runs.imports import origin_of

    found: dict[str, RunRecord] = {}
    problems = []
    for run_id in run_ids(list(verdicts)):
        try:
            stored = store.load(run_id) if store is not None else None
        except ClaimsError as error:
            problems.append(str(error))
            stored = None
        if stored is not None and store is not None:
            run, result = stored
            made = (store.computed(run_id), origin_of(store.home, result))
            if isinstance(run, Measurement) and isinstance(result, Scores):
                found[run_id] = measurement_record(run, result, *made)
            elif isinstance(run, Run) and isinstance(result, Result):
                found[run_id] = run_record(run, result, *made)
        elif run_id in earlier:
            found[run_id] = earlier[run_id]
    return found, problems


def read_runs(path: Path) -> dict[str, RunRecord]:
    """Return the runs in a runs.json by their ids; none where there is no such file.

    Raises:
        ClaimsError: it is damaged, or of another version.
    """
    values = read_record_file(path, "runs")
    if values is None:
        return {}
    found = [build(RunRecord, item, where) for item, where in values]
    return {record.id: record for record in found}


def save_runs(path: Path, runs: Mapping[str, RunRecord]) -> None:
    """Write runs.json whole or not at all, a run a line.

    Raises:
        ClaimsError: it can't be written.
    """
    lines = ",\n".join(json.dumps(to_values(runs[run_id])) for run_id in sorted(runs))
    write_atomic(path, f'{{"schema_version": {SCHEMA_VERSION},\n"runs": [\n{lines}\n]}}\n'.encode())
