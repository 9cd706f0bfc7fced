"""One run computed by several processes of this machine, each on a device of its own."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import connection, get_context
from pathlib import Path
from typing import Any

from harness.core.config import Config, settings, use
from harness.core.errors import ClaimsError, TooLittleMemory
from harness.core.launcher import process_count
from harness.core.measurement import Measurement
from harness.core.paper import paper, using
from harness.core.result import Result
from harness.core.run import Run
from harness.runs.entry import decode, encode
from harness.training.accelerators import visible
from harness.training.api import Execution
from harness.training.devices import confine, join
from harness.training.resume import Interrupted, Stopped, be_patient, interruption

GRACE = 120.0
"""Seconds that processes have to save the state of their run, once they are told to stop."""
RAISED = {each.__name__: each for each in (ClaimsError, TooLittleMemory, Interrupted)}
"""What a process' end is to the run, by name; anything else is a crash."""


def check(run: Run, processes: int) -> None:
    """Raise unless a run can be computed by so many processes.

    Raises:
        ClaimsError: it can't.
    """
    if run.backend != "torch":
        raise ClaimsError(
            f"{run.label}: expected the backend torch, found {run.backend}, which shares each batch out to all"
            " accelerators that it sees; leave out --gpus-per-run, or set CUDA_VISIBLE_DEVICES"
        )
    if not run.recipe.frozen and run.recipe.batch_size % processes:
        raise ClaimsError(
            f"{run.label}: expected a number of accelerators that divides the batch of {run.recipe.batch_size}, found"
            f" {processes}; choose another for --gpus-per-run"
        )


def on_device(execution: Execution, run: Run | Measurement, device: str) -> Execution:
    """Return how a run is computed on a worker's device.

    Args:
        execution: of the session.
        run: what is computed.
        device: "cpu"; or what CUDA_VISIBLE_DEVICES calls the worker's accelerators, which compute each run together.
            PyTorch takes a process for each; JAX shares a batch out to all that it sees.
    """
    if device == "cpu" or run.lane == "cpu":
        return replace(execution, device="cpu")
    names = tuple(device.split(","))
    shared = len(names) > 1 and isinstance(run, Run) and run.backend == "torch"
    return replace(execution, device="cuda", together=names if shared else ())


def devices_for(run: Run, device: str, count: int) -> tuple[str, ...]:
    """Return the devices of so many processes that compute a run, as of `Execution.together`; none for one process.

    Args:
        run: what is computed.
        device: that one process would compute on.
        count: of processes.

    Raises:
        ClaimsError: there are fewer, or they can't share the run.
    """
    if count == 1:
        return ()
    if count < 1:
        raise ClaimsError(f"--gpus-per-run: expected a whole number of at least 1, found {count}")
    if process_count() > 1:
        raise ClaimsError("--gpus-per-run: expected no launcher, which starts the processes itself; choose one of them")
    check(run, count)
    if device == "cpu":
        return ("cpu",) * count
    found = [each for each in visible() if not each.startswith("MIG-")]  # parts of a card can't exchange gradients
    if len(found) < count:
        raise ClaimsError(
            f"--gpus-per-run: expected at least {count} accelerators, found {len(found)}; choose a smaller number"
        )
    return tuple(found[:count])


def compute_together(run: Run, execution: Execution) -> Result:
    """Compute a run by a process for each of an execution's devices, as one process would, but for rounding.

    Raises:
        Interrupted: a signal came; the state is saved.
        Stopped: the execution asked it to end; the state is saved.
        ClaimsError: the run can't be shared, one of the processes raised it, or one crashed; the others are ended.
    """
    check(run, len(execution.together))
    context = get_context("spawn")
    port, shared = free_port(), replace(execution, on_step=None, on_images=None, stop=None, together=())
    here = settings(), paper().folder
    said: dict[Any, int] = {}
    processes = []
    for rank, device in enumerate(execution.together):
        mine, theirs = context.Pipe(duplex=False)
        where = rank, len(execution.together), port, device
        processes.append(context.Process(target=_share, args=(theirs, run, shared, where, here), name=f"rank {rank}"))
        processes[-1].start()
        theirs.close()
        said[mine] = rank
    try:
        return _gathered(run, processes, said, execution.stop)
    finally:
        _end(processes)


def _gathered(run: Run, processes: list[Any], said: dict[Any, int], stop: Callable[[], str] | None = None) -> Result:
    """Return what the first process computed, once all have ended well.

    One that a signal stopped is no reason to end the others: the first one saves the state, which takes longest.
    """
    found: Result | None = None
    stopped: Interrupted | None = None
    end = float("inf")
    with interruption(True, stop) as asked:
        told = False
        while said and time.monotonic() < end:
            if asked and not told:
                told = True
                for process in processes:
                    process.terminate()  # by SIGTERM, on which a run saves its state
            for pipe in connection.wait(list(said), timeout=0.2):
                rank = said.pop(pipe)
                try:
                    kind, content = pipe.recv_bytes().split(b"\n", 1)  # type: ignore[union-attr]
                except EOFError:
                    processes[rank].join()
                    if told and asked.reason and asked.signal is None:  # before or after its training: nothing to save
                        raise Stopped(f"{asked.reason}: {run.label}: ended") from None
                    raise ClaimsError(_crashed(run, rank, processes[rank].exitcode, len(processes))) from None
                raised = RAISED.get(kind.decode())
                if raised is Interrupted:
                    stopped, end = stopped or Interrupted(content.decode()), min(end, time.monotonic() + GRACE)
                elif raised is not None:
                    raise raised(content.decode())
                elif rank == 0:
                    found = decode(content, run, "the first process' result")
    if stopped is not None and asked.reason and asked.signal is None:
        raise Stopped(f"{asked.reason}: {stopped}")
    if stopped is not None:
        raise stopped
    assert found is not None
    return found


def _crashed(run: Run, rank: int, code: int | None, count: int) -> str:
    return (
        f"{run.label}: expected {count} processes to compute it together, found that number {rank} ended with exit code"
        f" {code}; the others were ended, too; start again, the run goes on from its last saved state"
    )


def _end(processes: list[Any]) -> None:
    """End processes that still run: they wait for one that is gone."""
    for process in processes:
        if process.is_alive():
            process.kill()
        process.join()


def free_port() -> int:
    """Return a port of this machine that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _share(
    pipe: Any, run: Run, execution: Execution, where: tuple[int, int, int, str], here: tuple[Config, Path]
) -> None:
    """Compute one process' share of a run, and say what came of it."""
    configured, folder = here
    rank, size, port, device = where
    use(configured)
    confine(device)
    be_patient(from_now=True)
    join(rank, size, port)
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    from harness.runs.run import compute
    from harness.training.metric_log import bar

    try:
        with using(folder):
            with bar(run) as on_step:  # of the first process alone
                mine = replace(execution, device="cpu" if device == "cpu" else "cuda", on_step=on_step)
                said = b"result\n", encode(run, compute(run, mine))
    except (ClaimsError, Interrupted) as error:
        name = type(error).__name__ if type(error).__name__ in RAISED else ClaimsError.__name__
        said = f"{name}\n".encode(), str(error).encode()
    pipe.send_bytes(b"".join(said))
    pipe.close()


def _follow(parent: int) -> None:
    """Stop as by SIGTERM once the process that waits for the result is gone."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)
