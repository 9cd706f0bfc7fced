"""The result of a run: from the store, or computed under the run's lock and stored."""

from __future__ import annotations

import resource
import time
from dataclasses import replace

from harness.core.errors import NotStored, NotWritten
from harness.core.machine import RSS_UNIT
from harness.core.measurement import Measurement
from harness.core.result import Result
from harness.core.run import Run
from harness.runs.store import Busy, Store
from harness.runs.together import compute_together
from harness.training.api import Execution, backend, environment, first_process
from harness.training.resume import Stopped, discard

TIME_IS_UP = "the time limit was reached"


def measure(run: Run, store: Store, execution: Execution | None = None) -> Result:
    """Return a run's result, computing and storing it if need be.

    Raises:
        harness.runs.store.Busy: another process is computing it.
        harness.training.resume.Stopped: the execution's time is up; the run's state is saved.
        NotStored: it can't be stored; the error has the result.
        ClaimsError: its checkpoint or data are not the pinned bytes.
    """
    stored = store.get(run)
    if stored is not None:
        return stored
    if not first_process():
        return compute(run, execution or Execution())  # its share of what the first process stores
    with store.lock(run) as lost:
        # It may have been stored between the look and the lock.
        stored = store.get(run)
        if stored is None:
            chosen = execution or Execution()

            def stop() -> str:
                return lost() or (TIME_IS_UP if chosen.deadline and time.time() >= chosen.deadline else "")

            try:
                with_others = compute_together if len(chosen.together) > 1 else compute
                stored = with_others(run, replace(chosen, stop=stop))
            except Stopped:
                if lost():
                    raise Busy(run.id) from None
                raise
            try:
                store.put(run, stored)
            except NotWritten as error:
                raise NotStored(str(error), stored) from None
            discard(chosen.folder, run.id)
        return stored


def as_classes(run: Run, predictions: list[int]) -> tuple[int, ...]:
    """Return predicted outputs of the head as classes of the run's dataset.

    An output that stands for none of its classes becomes a number above all of them, so that it equals no label:
    the number of classes plus the output's.
    """
    if not run.outputs:
        return tuple(predictions)
    classes = {output: number for number, output in enumerate(run.outputs)}
    return tuple(classes.get(output, run.dataset.classes + output) for output in predictions)


def compute(run: Run, execution: Execution) -> Result:
    """Fine-tune and predict, without looking for a stored result."""
    if isinstance(run, Measurement):
        from harness.runs.measuring import scores_of

        return scores_of(run, execution)
    from harness.runs.inputs import inputs_of
    from harness.training.devices import card_name

    start = time.perf_counter()
    inputs = inputs_of(run)
    outcome = backend(run.backend)(run, inputs.weights, inputs.data, execution)
    kernels = (("kernels", outcome.kernels),) if outcome.kernels else ()
    return Result(
        run_id=run.id,
        predictions=as_classes(run, outcome.predictions.tolist()),
        labels=tuple(inputs.data.test.labels.tolist()),
        loss_history=outcome.losses,
        seconds=time.perf_counter() - start + outcome.earlier,
        images_per_second=outcome.images_per_second,
        peak_memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT,
        environment=(*environment(run.backend), ("device", card_name(execution.device, run.backend)), *kernels),
        diverged=outcome.diverged,
        device_memory=outcome.device_memory,
        waiting=outcome.waiting,
        micro_batch=outcome.micro_batch,
    )
