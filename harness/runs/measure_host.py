"""A process that calls a paper's function: one import of its module, and a fork of it for each measurement.

Each call is in a process of its own, so that no call changes what another one gives, and that one that crashes or takes
too much memory ends alone. The fork saves the seconds that importing its libraries takes. On an accelerator the module
is imported in the fork, for CUDA does not survive one.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import random
import resource
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

from harness.core.errors import ClaimsError
from harness.core.hypotheses import Contender
from harness.core.machine import RSS_UNIT
from harness.core.own_modules import function_of, module_of, on_path, one_line

REQUESTS, REPLIES = 0, 1


def main(folder: str, function: str, preload: bool) -> None:
    """Answer requests, a JSON object a line on stdin, until there are no more; each with a JSON object on stdout.

    With `preload` an empty object comes first, once the module is imported: no call's time includes that.

    Args:
        folder: the paper's.
        function: "module:function".
        preload: whether to import the module before the first request.
    """
    replies = os.dup(REPLIES)
    os.dup2(2, REPLIES)  # what the paper's code prints is no reply
    with on_path(Path(folder)):
        failed = ""
        if preload:
            try:
                module_of(function.partition(":")[0], Path(folder), "measure")
            except ClaimsError as error:
                failed = str(error)
            os.write(replies, b"{}\n")
        rest = b""
        while content := os.read(REQUESTS, 1 << 16):
            *lines, rest = (rest + content).split(b"\n")
            for line in lines:
                reply = {"error": failed} if failed else in_fork(json.loads(line), Path(folder), function)
                os.write(replies, json.dumps(reply).encode() + b"\n")


def in_fork(request: dict[str, Any], folder: Path, function: str) -> dict[str, Any]:
    """Return {} once a fork has written what a call gave, or how the fork ended."""
    reading, writing = os.pipe()  # its end is that of the fork
    pid = os.fork()
    if not pid:
        os.close(reading)
        code = 1
        try:
            Path(request["out"]).write_text(json.dumps(called(request, folder, function)), encoding="utf-8")
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    ready, _, _ = select.select([reading, REQUESTS], [], [])
    if reading not in ready:  # nothing is sent before a reply: whoever asked is gone
        os.killpg(0, signal.SIGKILL)
    os.close(reading)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return {"signal": os.WTERMSIG(status)}
    return {} if not os.WEXITSTATUS(status) else {"error": "the process ended without a result"}


def called(request: dict[str, Any], folder: Path, function: str) -> dict[str, Any]:
    """Return what a call gave as plain values, or {"error": one line}."""
    start = time.perf_counter()
    try:
        call = function_of(function, folder, "measure")
        begin_at(request["seed"])
        more = {"folder": Path(request["folder"])} if "folder" in inspect.signature(call).parameters else {}
        contender = Contender(**request["contender"])
        values, examples = checked(call(contender, request["dataset"], request["seed"], **more), request["scores"])
    except ClaimsError as error:
        return {"error": str(error)}
    except BaseException as error:
        return {"error": one_line(error, folder)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT
    return {"values": values, "examples": examples, "seconds": time.perf_counter() - start, "peak_memory": peak}


def begin_at(seed: int) -> None:
    """Start the global generators of Python, NumPy and PyTorch from a seed, for a function that draws from them."""
    import numpy as np

    random.seed(seed)
    np.random.seed(seed % 2**32)
    if "torch" in sys.modules:
        import torch

        torch.manual_seed(seed)


def checked(found: Any, scores: str) -> tuple[list[float], str]:
    """Return a function's scores, and the digest of the examples' names (of their number where it names none).

    Args:
        found: what the function returned.
        scores: "examples" or "number".

    Raises:
        ClaimsError: it is something else than was declared, or not finite.
    """
    import numpy as np

    names = None
    if scores == "examples" and isinstance(found, tuple) and len(found) == 2:
        found, names = found
    array = np.asarray(found)
    shape = tuple(array.shape)
    if array.dtype.kind not in "biuf":
        raise ClaimsError(f"expected numbers, found {type(found).__name__} {str(found)[:60]}; return floats")
    if scores == "number" and shape:
        raise ClaimsError(
            f'expected one number, found an array of shape {shape}; return one, or declare scores = "examples"'
        )
    if scores == "examples" and (array.ndim != 1 or not array.size):
        what = f"an array of shape {shape}" if shape else f"the one number {float(array):g}"
        raise ClaimsError(
            f'expected a score for each example, shape (n,), found {what}; return these, or declare scores = "number"'
        )
    values = [float(value) for value in array.reshape(-1)]
    bad = next((at for at, value in enumerate(values) if not np.isfinite(value)), None)
    if bad is not None:
        where = f" of example {bad} (counted from 0)" if shape else ""
        raise ClaimsError(f"expected finite numbers, found {values[bad]}{where}")
    if names is None:
        return values, hashlib.sha256(f"{len(values)} examples".encode()).hexdigest()
    listed = [str(name) for name in names]
    if len(listed) != len(values) or len(set(listed)) != len(listed):
        raise ClaimsError(
            f"expected a name of its own for each of {len(values):,} examples, found {len(set(listed)):,} names"
        )
    return values, hashlib.sha256(json.dumps(listed).encode()).hexdigest()
