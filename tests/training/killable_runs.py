"""Processes that compute runs and are killed at it."""

import contextlib
import subprocess
import sys

SERVER = """
import os, sys, time, traceback
from pathlib import Path
import numpy as np
from harness.training.api import Execution
from {module} import compute

def victim(name, folder, slow):
    def on_step(progress):
        print(progress.step, flush=True)
        time.sleep(float(slow))
    outcome = compute(name, Execution(folder=Path(folder), save_every=0, on_step=on_step))
    np.savez(Path(folder) / "outcome.npz", predictions=outcome.predictions, losses=outcome.losses)

for line in sys.stdin:
    child = os.fork()  # imports are made once; a framework starts in the child
    if child == 0:
        print(os.getpid(), flush=True)
        try:
            victim(*line.split())
        except BaseException:
            traceback.print_exc(file=sys.stdout)
        print("end", flush=True)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        print("killed by", os.WTERMSIG(status), flush=True)
"""


@contextlib.contextmanager
def victims_of(module):
    """A process that starts a process for every run that it is told to compute, and says what that says.

    The module's `compute(name, execution)` fine-tunes the run of a name.
    """
    command = [sys.executable, "-c", SERVER.format(module=module)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process
    process.stdin.close()
    process.wait(timeout=60)


def start(victims, name, folder, slow=0.0):
    """Start computing a run; return the process' id."""
    victims.stdin.write(f"{name} {folder} {slow}\n")
    victims.stdin.flush()
    return int(victims.stdout.readline())


def said_until(victims, *ends):
    """Return the lines that the process says up to one of some lines."""
    found = []
    for line in iter(victims.stdout.readline, ""):
        found.append(line.strip())
        if found[-1] in ends:
            return found
    raise AssertionError(f"expected one of {ends}, found {found}")
