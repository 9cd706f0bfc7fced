"""Computes a measurement: calls the paper's function in a process of its own, for so long as its time limit allows."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.core.errors import ClaimsError
from harness.core.measurement import Measurement, Scores
from harness.core.paper import paper
from harness.core.paths import make_folder
from harness.training.api import Execution
from harness.training.resume import Stopped

START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from harness.runs.measure_host import main; "
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
MEMORY = "out of memory?"
IMPORT_LIMIT = 600.0
"""Seconds that importing a measure's module may take, which its own time limit does not count."""
GRACE = 10.0
"""Seconds that a call has, after SIGTERM, to save what it wants to go on from."""
PAUSE = 0.05
"""Seconds between looks whether a call has ended."""
LOOK = 0.5
"""Seconds between looks whether a call is to be stopped."""
ENDED: dict[int, str] = {signal.SIGKILL: f" ({MEMORY})"}
"""What may be behind a signal, for a reader."""


class Host:
    """A process that calls one function, as `harness.runs.measure_host` does.

    Args:
        folder: the paper's.
        measurement: any one of the function.
    """

    def __init__(self, folder: Path, measurement: Measurement):
        on_cpu = measurement.lane == "cpu"
        alone = dict.fromkeys(THREADS, "1") | {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"} if on_cpu else {}
        command = f"{START}main({str(folder)!r}, {measurement.function!r}, {on_cpu})"
        self.process = subprocess.Popen(
            [sys.executable, "-c", command, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            env=os.environ | alone | {"PYTHONHASHSEED": "0"},
            start_new_session=True,
            bufsize=0,
        )
        self.lane = measurement.lane
        self.importing = on_cpu
        """Whether it has not said yet that its module is imported."""

    def ask(self, request: dict[str, Any], seconds: float, stop: Callable[[], str]) -> dict[str, Any] | None:
        """Return the reply to a request; None where there is none in time, counted from when the module is imported.

        Args:
            request: what is to be called.
            seconds: in which it should be answered.
            stop: returns why the call should end now, "" as long as it should not.

        Raises:
            Stopped: it should.
        """
        if self.importing:
            ready = self.reply(None, IMPORT_LIMIT, stop)
            if ready is None:
                self.end()
                return {"error": f"expected its module to be imported within {IMPORT_LIMIT:g} s, found that it was not"}
            if ready:
                return ready
            self.importing = False
        return self.reply(request, seconds, stop)

    def reply(self, request: dict[str, Any] | None, seconds: float, stop: Callable[[], str]) -> dict[str, Any] | None:
        """Return the next line of the process, after a request if there is one; None where there is none in time."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        end = time.monotonic() + seconds
        reply = b""
        try:
            if request is not None:
                self.process.stdin.write(json.dumps(request).encode() + b"\n")
            while not reply.endswith(b"\n"):
                left = max(0.0, end - time.monotonic())
                ready, _, _ = select.select([self.process.stdout], [], [], min(left, LOOK))
                if not ready and left > LOOK:
                    if why := stop():
                        raise Stopped(why)
                    continue
                if not ready:
                    return None
                content = os.read(self.process.stdout.fileno(), 1 << 16)
                if not content:
                    break
                reply += content
        except BrokenPipeError:
            pass
        if not reply:
            return {"signal": -self.process.wait()} if self.process.wait() < 0 else {"error": "its process ended"}
        answer: dict[str, Any] = json.loads(reply)
        return answer

    def end(self, grace: float = 0.0) -> None:
        """End the process and what it has started.

        Args:
            grace: seconds that these have after SIGTERM.
        """
        end = time.monotonic() + grace
        with contextlib.suppress(ProcessLookupError):
            if grace:
                os.killpg(self.process.pid, signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(grace)
            while time.monotonic() < end:
                os.killpg(self.process.pid, 0)
                time.sleep(PAUSE)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        if grace or self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Hosts:
    """The host of this process: one at a time, for measurements of one function follow each other."""

    def __init__(self) -> None:
        self.key: tuple[object, ...] = ()
        self.host: Host | None = None

    def of(self, folder: Path, measurement: Measurement) -> Host:
        """Return the host of a measurement's function, started if need be."""
        key = (folder, measurement.function, measurement.source_sha256, measurement.lane)
        if self.host is None or key != self.key:
            self.end()
            self.key, self.host = key, Host(folder, measurement)
        return self.host

    def end(self, grace: float = 0.0) -> None:
        """End the host; its call has so many seconds to save what it wants to."""
        host, self.host = self.host, None
        if host is not None:
            host.end(grace)


_hosts = Hosts()
atexit.register(_hosts.end)


def state_of(folder: Path | None, run_id: str) -> Path | None:
    """Return the folder that a measurement may keep its state in until it is stored; None where nothing is kept."""
    return None if folder is None else folder / "measurements" / run_id


def scores_of(measurement: Measurement, execution: Execution) -> Scores:
    """Call a measurement's function.

    Args:
        measurement: of the current paper.
        execution: where states lie, and whether its time is up.

    Raises:
        Stopped: it is; the function goes on from what it has kept in its folder.
        ClaimsError: the function raised something, took too long, was killed, or returned what it should not: one line.
    """
    folder = paper().folder.resolve()
    host = _hosts.of(folder, measurement)
    kept = state_of(execution.folder, measurement.id)
    with tempfile.TemporaryDirectory(prefix="vit-claims-") as aside:
        out = Path(aside) / "scores.json"
        request = {
            "contender": asdict(measurement.contender),
            "dataset": measurement.dataset,
            "seed": measurement.seed,
            "scores": measurement.scores,
            "folder": str(make_folder(kept or Path(aside) / "state")),
            "out": str(out),
        }
        try:
            reply = host.ask(request, measurement.time_limit, execution.stop or (lambda: ""))
        except Stopped as why:
            _hosts.end(GRACE)
            raise Stopped(f"{why}: {measurement.label}: its call was ended; run it again") from None
        except BaseException:  # Ctrl-C: the call would go on
            _hosts.end()
            raise
        if reply is None:
            _hosts.end()
            raise ClaimsError(
                f"{measurement.label}: expected an answer within {measurement.time_limit:g} s, found none; it was"
                " ended; raise time_limit of the measure, or do less"
            )
        if host.process.poll() is not None:
            _hosts.end()
        if "signal" in reply:
            number = reply["signal"]
            raise ClaimsError(
                f"{measurement.label}: expected scores, found that its process was ended by"
                f" {signal.Signals(number).name}{ENDED.get(number, '')}"
            )
        found = reply if "error" in reply else json.loads(out.read_text(encoding="utf-8"))
    if "error" in found:
        raise ClaimsError(f"{measurement.label}: {found['error']}")
    if kept is not None:
        shutil.rmtree(kept, ignore_errors=True)
    return Scores(
        run_id=measurement.id,
        values=tuple(found["values"]),
        examples_sha256=found["examples"],
        seconds=found["seconds"],
        peak_memory=found["peak_memory"],
        environment=environment(measurement, execution),
    )


def environment(measurement: Measurement, execution: Execution) -> tuple[tuple[str, str], ...]:
    """Return (name, version) pairs of what a measurement is computed with."""
    import platform
    from importlib.metadata import version

    from harness.training.devices import card_name

    device = "cpu" if measurement.lane == "cpu" else card_name(execution.device, "torch")
    return (
        ("python", platform.python_version()),
        ("machine", platform.machine()),
        ("vit-claims", version("vit-claims")),
        *measurement.packages,
        ("device", device),
    )
