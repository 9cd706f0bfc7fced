"""Workers on a Ray cluster: each run is a task that asks for a core, and for an accelerator or a share of one.

The nodes compute with the packages and the paper's folder that they have themselves, each with a home folder of its own
(`VIT_CLAIMS_HOME` there, else the session's path). Where that is not one folder that all nodes see, `--store` names a
place that they do (harness/runs/shared_store.py): results, and states of unfinished runs, pass through it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from harness.core.config import Config, config, use
from harness.core.errors import CardFailed, ClaimsError, NotStored
from harness.core.measurement import Measurement
from harness.core.paths import write_atomic
from harness.core.run import Run
from harness.runs.ownership import Owner
from harness.runs.patience import StoreUnreachable
from harness.runs.shared_store import SharedStore, open_store
from harness.runs.worker import GRACE, Worker
from harness.runs.workers import Need, Outcome, WorkerDied, without_card
from harness.training.api import Execution, Progress
from harness.training.devices import confine

AHEAD = 4
"""Tasks handed over for each core and accelerator of the cluster: what is behind them stays in the session's order."""
TOLD_EVERY = 2.0
"""Seconds between two reports of a run's progress."""


@dataclass(frozen=True)
class Handed:
    """What a node is given to compute."""

    run: Run
    folder: Path
    """The paper's, which the node has at the same path."""
    execution: Execution
    configured: Config
    owner_session: str
    attempt: int
    marker: str
    """Name of a file in the session's home folder: a node that sees it has the same one. "" with a shared store."""
    told: Any = None
    """The actor that is told how far the run is."""


class RayWorkers:
    """The tasks of one session on a cluster.

    Args:
        address: of the cluster, e.g. "auto" or "ray://host:10001"; "": RAY_ADDRESS, else one that is started here.
        execution: how runs are computed, apart from their device.
        accelerators: of each run on released checkpoints; 0: they are computed on the CPU.

    Raises:
        ClaimsError: Ray is not installed, or there is no cluster at the address.
    """

    def __init__(self, address: str, execution: Execution, accelerators: int):
        self.ray = connected(address)
        self._restore_signals = end_as_by_ctrl_c()
        self.execution = execution
        self.accelerators = accelerators
        self.closing = False
        self.session = uuid.uuid4().hex
        self.marker = ""
        if config().store is None:
            self.marker = f"cluster/{self.session}"
            write_atomic(config().home / self.marker, b"")
        resources = self.ray.cluster_resources()
        self.cores = resources.get("CPU", 0.0)
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        self.largest = max((each.get("memory", 0.0) for each in nodes), default=0.0)
        """Bytes of memory of the node that has most: what no node has, no task is given."""
        self._task = self.ray.remote(max_retries=0)(compute_on_node)
        # A process that has started CUDA keeps to its accelerator, and to memory on it.
        self._on_accelerator = self.ray.remote(max_retries=0, max_calls=1)(compute_on_node)
        self._told = self.ray.remote(num_cpus=0)(Told).remote()
        self._refs: dict[Any, Any] = {}
        self._card_failed: set[str] = set()
        """Runs that found an accelerator failing: it may have been a kernel of ours."""
        self._lock = threading.Lock()

    @property
    def most(self) -> int:
        """A few tasks for each core, so that no node waits for the session."""
        return max(8, int(AHEAD * self.cores))

    def submit(self, run: Run, folder: Path, need: Need, attempt: int) -> Future[Outcome]:
        """Hand over a run, as `Workers.submit` says."""
        options: dict[str, Any] = {"num_cpus": 1, "name": run.label}
        task = self._task
        if run.lane == "accelerator" and self.accelerators:
            share = self.accelerators if self.accelerators > 1 else min(1.0, need.share)
            task = self._on_accelerator
            options |= {"num_gpus": share, "memory": min(self.largest, need.memory)}
        execution = self.execution.by_framework() if run.id in self._card_failed else self.execution
        handed = Handed(run, folder, execution, config(), self.session, attempt, self.marker, self._told)
        ref = task.options(**options).remote(handed)
        found: Future[Outcome] = Future()
        with self._lock:
            self._refs[found] = ref
        ref.future().add_done_callback(lambda ended: self._end(run.id, found, ended))
        return found

    def progress(self) -> dict[str, str]:
        """Return how far runs are that are being computed, by their labels."""
        try:
            found: dict[str, str] = self.ray.get(self._told.all.remote(), timeout=5)
        except Exception:  # the node of the actor is gone: only the progress is lost
            return {}
        return found

    def close(self) -> None:
        """Ask tasks that run to save their state and end, and leave the cluster."""
        self.closing = True
        with self._lock:
            refs = list(self._refs.values())
        for ref in refs:
            with contextlib.suppress(Exception):
                self.ray.cancel(ref)  # KeyboardInterrupt in the task, which a training loop saves at
        if refs:
            with contextlib.suppress(Exception):
                self.ray.wait(refs, num_returns=len(refs), timeout=GRACE)
        if self.marker:
            (config().home / self.marker).unlink(missing_ok=True)
        self.ray.shutdown()
        self._restore_signals()

    def _end(self, run_id: str, found: Future[Outcome], ended: Future[Any]) -> None:
        with self._lock:
            self._refs.pop(found, None)
        try:
            outcome, error = ended.result()
        except BaseException as lost:
            found.set_exception(self._said(lost))
            return
        if isinstance(error, KeyboardInterrupt) and not self.closing:
            found.set_exception(WorkerDied("was told to stop by its node"))
        elif isinstance(error, CardFailed):
            self._card_failed.add(run_id)
            found.set_exception(without_card(error, "its node's accelerator"))
        elif error is not None:
            found.set_exception(error)
        else:
            found.set_result(outcome)

    def _said(self, lost: BaseException) -> BaseException:
        """Return what became of a task, as `Workers.submit` says it."""
        errors = self.ray.exceptions
        died = (
            errors.WorkerCrashedError,
            errors.NodeDiedError,
            errors.OutOfMemoryError,
            errors.ObjectLostError,
            errors.LocalRayletDiedError,
        )
        line = (str(lost).strip().splitlines() or [""])[0]
        if isinstance(lost, died):
            return WorkerDied(f"on the cluster ended ({type(lost).__name__}: {line})")
        if isinstance(lost, errors.RayError):
            return ClaimsError(f"the cluster could not compute the run: {type(lost).__name__}: {line}")
        return lost


def end_as_by_ctrl_c() -> Callable[[], None]:
    """Let SIGTERM end the session as Ctrl-C does, with states saved and a report: by Ray's own handler it aborts.

    Returns:
        What restores the handler that was there before.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None

    def stop(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):  # whoever cancels a job of a cluster sends several
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, stop)

    def restore() -> None:
        for each, handler in before.items():
            if signal.getsignal(each) in (stop, signal.SIG_IGN):
                signal.signal(each, signal.SIG_DFL if handler is None else handler)

    return restore


def groups(address: str, size: int) -> int:
    """Return how many runs a cluster can compute at once on so many accelerators each, which one node must have.

    Raises:
        ClaimsError: Ray is not installed, there is no cluster at the address, or no node has so many.
    """
    nodes = [node["Resources"] for node in connected(address).nodes() if node["Alive"]]
    counts = [int(each.get("GPU", 0)) for each in nodes]
    if any(counts) and max(counts) < size:
        raise ClaimsError(
            f"--gpus-per-run: expected a node with at least {size} accelerators, found at most {max(counts)} on one"
        )
    return sum(count // size for count in counts)


def kind(address: str) -> str:
    """Return what Ray calls the accelerators of a cluster, e.g. "H100"; "" where it knows none, or several kinds."""
    names = {name for node in connected(address).nodes() if node["Alive"] for name in node["Resources"]}
    kinds = {name.partition(":")[2] for name in names if name.startswith("accelerator_type:")}
    return kinds.pop() if len(kinds) == 1 else ""


class Told:
    """How far runs are, told by the nodes: an actor."""

    def __init__(self) -> None:
        self._lines: dict[str, str] = {}

    def tell(self, label: str, line: str) -> None:
        """Note how far a run is; "": it has ended."""
        if line:
            self._lines[label] = line
        else:
            self._lines.pop(label, None)

    def all(self) -> dict[str, str]:
        """Return the last line of each run that is being computed."""
        return dict(self._lines)


def connected(address: str) -> Any:
    """Connect to a cluster, or start one on this machine, and return Ray.

    Raises:
        ClaimsError: Ray is not installed, or there is no cluster at the address.
    """
    _quieten()
    try:
        import ray
    except ImportError:
        raise ClaimsError("--executor ray: expected the package ray, found none; pip install 'ray>=2.50'") from None
    chosen = address or os.environ.get("RAY_ADDRESS", "")
    try:
        _require_listening(chosen)  # Ray itself would try for minutes
        ray.init(
            address=chosen or "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=False if not chosen else None,
            ignore_reinit_error=True,
        )
    except Exception as error:  # ConnectionError, and errors of gRPC
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ClaimsError(
            f"--ray-address {chosen or 'local'}: expected a Ray cluster, found: {line}; start one with"
            " `ray start --head`, or leave the address out"
        ) from None
    return ray


def _require_listening(address: str) -> None:
    """Raise OSError unless something listens at an address that names a port."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _quieten() -> None:
    """Keep Ray's hints on usage statistics, tokens and dashboards from the terminal."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    logging.getLogger("ray").setLevel(logging.ERROR)


def compute_on_node(handed: Handed) -> tuple[Any, BaseException | None]:
    """Compute and store one run: the body of a task, in a process of a node.

    Returns:
        The outcome as `Worker.compute` gives it, or what it raised; a task that raised itself would end in an error of
        Ray's.
    """
    run = handed.run
    configured = at_home(handed.configured, node_home(handed.configured))
    try:
        use(configured)
        if handed.marker and not (configured.home / handed.marker).exists():
            raise ClaimsError(
                f"{os.uname().nodename}: expected the session's home folder {configured.home}, found another one;"
                " name a place that all nodes reach with --store"
            )
        if not handed.folder.is_dir():
            raise ClaimsError(
                f"{os.uname().nodename}: expected the paper's folder {handed.folder}, found none; every node needs the"
                " same checkout at the same path"
            )
        import ray

        granted = ray.get_runtime_context().get_accelerator_ids().get("GPU")
        device = ",".join(map(str, granted)) if granted else "cpu"
        if not granted:
            confine("cpu")
        told = _telling(handed)
        worker = Worker(device, 0)
        execution = replace(handed.execution, folder=configured.home / "work", on_step=told)
        owner = Owner(session=handed.owner_session, attempt=handed.attempt)
        outcome: Any = worker.compute(run, configured.home, execution, handed.folder, owner=owner)
        return shared(run, configured.home, outcome), None
    except BaseException as error:
        return None, error
    finally:
        if handed.told is not None:
            with contextlib.suppress(Exception):
                handed.told.tell.remote(run.label, "")


def shared(run: Run, home: Path, outcome: Any) -> Any:
    """Return the outcome, with the result itself where the place that all nodes reach has not taken it."""
    store = open_store(home, of_worker=True)
    if outcome is not True or not isinstance(store, SharedStore):
        return outcome
    with contextlib.suppress(StoreUnreachable, OSError):
        if store.is_shared(run.id):
            return outcome
    line = f"--store {store.objects.address}: expected it to take the result, found that it did not"
    return NotStored(line, store.get(run))


def node_home(configured: Config) -> Path:
    """Return the home folder of this node: its own where VIT_CLAIMS_HOME names one, else the session's path."""
    own = os.environ.get("VIT_CLAIMS_HOME")
    return Path(own).expanduser().absolute() if own else configured.home


def at_home(configured: Config, home: Path) -> Config:
    """Return a configuration with another home folder, and with what lies in it by default."""
    found = replace(configured, home=home)
    if configured.cache == configured.home / "downloads":
        found = replace(found, cache=home / "downloads")
    return replace(found, data=home / "data") if configured.data == configured.home / "data" else found


def _telling(handed: Handed) -> Any:
    """Return what tells the session's terminal from time to time how far a run is."""
    if handed.told is None:
        return None
    last = [0.0]
    steps = 1 if isinstance(handed.run, Measurement) else handed.run.recipe.steps or 1

    def on_step(progress: Progress) -> None:
        now = time.monotonic()
        if now - last[0] >= TOLD_EVERY:
            last[0] = now
            done = f"{100 * (progress.step + 1) / steps:.0f} %, loss {progress.loss:.3f}"
            with contextlib.suppress(Exception):
                handed.told.tell.remote(handed.run.label, done)

    return on_step
