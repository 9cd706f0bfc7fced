"""Parts as a group of the bench has them, that do what a test asks for."""

import os
import signal
import time
from functools import partial

from bench.parts import Part
from bench.rows import Row
from harness.core.errors import ClaimsError


def parts(n):
    return [
        Part("good", partial(rows, n), 1),
        Part("raises", raises, 1),
        Part("refuses", refuses, 1),
        Part("dies", dies, 1),
        Part("hangs", hangs, 0.3),
        Part("alone", pid, 1, alone=True),
        Part("process", pid, 1),
        Part("same process", pid, 1),
        Part("long", pid, 1e6),
        Part("last", pid, 1),
    ]


def rows(n):
    for number in range(n):
        yield Row("good", "s", float(number))


def raises():
    yield Row("before", "s", 1.0)
    raise KeyError("gone")


def refuses():
    yield from ()
    raise ClaimsError("expected more memory, found less")


def dies():
    yield Row("before it died", "s", 1.0)
    os.kill(os.getpid(), signal.SIGKILL)


def hangs():
    yield Row("before it hung", "s", 1.0)
    time.sleep(600)


def pid():
    yield Row("pid", "", float(os.getpid()))
