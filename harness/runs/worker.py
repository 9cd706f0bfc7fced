"""A worker process: the one device that it computes on, and what it does with a run."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

from harness.core.config import Config, use
from harness.core.errors import NotStored
from harness.core.measurement import Measurement
from harness.core.paper import using
from harness.core.run import Run
from harness.runs.card_share import held_share
from harness.runs.ownership import Owner
from harness.runs.shared_store import open_store
from harness.runs.store import Busy
from harness.runs.together import on_device
from harness.training.api import Execution
from harness.training.devices import confine
from harness.training.resume import Interrupted, Stopped, be_patient

GRACE = 120.0
"""Seconds that a worker whose parent is gone has to save the state of its run."""
OTHERS = 10.0
"""Seconds to wait for other processes that compute on the accelerator, before another run is begun."""
PAUSE = 0.05
"""Seconds between looks whether that is done."""


class Worker:
    """What a worker process computes with.

    Args:
        device: "cpu", or what CUDA_VISIBLE_DEVICES calls its accelerators.
        position: the line of its progress bar below the session's.
    """

    def __init__(self, device: str, position: int):
        self.device, self.position = device, position
        self.computing = False
        self.interrupted = False
        """Whether a signal ended a run, and with it the session."""

    def compute(
        self,
        run: Run,
        home: Path,
        execution: Execution,
        folder: Path,
        share: float = 0.0,
        owner: Owner | None = None,
    ) -> bool | NotStored:
        """Compute and store one run of a paper.

        Args:
            run: what to compute.
            home: where results are stored.
            execution: how, apart from the device.
            folder: the paper's.
            share: of the accelerator, which other processes of this machine leave alone; 0: who handed the run over
                sees to that.
            owner: this process, as other machines see it.

        Returns:
            Whether it was free to, or the result that can't be stored.

        Raises:
            Stopped: the session's time is up.
            Interrupted: a signal came, now or in an earlier run: runs that were handed over already are not begun.
        """
        from harness.runs.run import TIME_IS_UP, measure
        from harness.training.metric_log import bar

        if self.interrupted:
            raise Interrupted(f"{run.label}: not begun, an earlier run was stopped")
        if execution.deadline and time.time() >= execution.deadline:
            raise Stopped(f"{TIME_IS_UP}: {run.label}: not begun")
        self.computing = True
        # The micro study's runs take seconds each; the session's bar counts them. A measurement tells no steps.
        tells = run.lane == "cpu" or isinstance(run, Measurement) or execution.on_step is not None
        drawn = contextlib.nullcontext(execution.on_step) if tells else bar(run, self.position)
        try:
            with self._share(run, home, share), drawn as on_step, using(folder):
                mine = replace(on_device(execution, run, self.device), on_step=on_step)
                measure(run, open_store(home, owner=owner, of_worker=True), mine)
        except Busy:
            return False
        except NotStored as fault:
            return fault
        except Interrupted:
            self.interrupted = True
            raise
        finally:
            self.computing = False
        return True

    def _share(self, run: Run, home: Path, share: float) -> contextlib.AbstractContextManager[None]:
        if not share or run.lane == "cpu" or self.device == "cpu":
            return contextlib.nullcontext()
        return held_share(home, self.device, share, OTHERS)

    def follow(self, parent: int) -> None:
        """Exit as soon as the parent process is gone, as by SIGTERM: a run that can is saved, to be gone on from."""
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)  # ends all but a training loop at once
        end = time.monotonic() + GRACE
        while self.computing and time.monotonic() < end:
            time.sleep(PAUSE)
        os._exit(1)


def start_worker(device: str, position: int, configured: Config) -> Worker:
    """Make this new process a worker, which ends on Ctrl-C without a traceback, and when its parent is killed.

    Args:
        device: "cpu", or what CUDA_VISIBLE_DEVICES calls the accelerator that it computes on.
        position: the line of its progress bar below the session's.
        configured: its configuration.
    """
    use(configured)
    confine(device)
    be_patient()
    worker = Worker(device, position)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=worker.follow, args=(os.getppid(),), daemon=True).start()
    return worker
