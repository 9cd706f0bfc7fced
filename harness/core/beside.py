"""Something that is done again and again in a thread, beside what is going on."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def beside(work: Callable[[], object], every: float) -> Iterator[None]:
    """Do something in a thread from time to time, for as long as the context lasts.

    Args:
        work: what; the context ends once it has returned.
        every: seconds before each time, the first too.
    """
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(every):
            work()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
