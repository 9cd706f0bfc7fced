"""Asking a place again that does not answer: a server that is started anew, a folder of a network."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from harness.core.errors import ClaimsError, say_once

T = TypeVar("T")

PATIENCE = 600.0
"""Seconds for which a place that does not answer is asked again."""
LONGEST_WAIT = 30.0
"""Seconds between two tries."""


class StoreUnreachable(ClaimsError):
    """A store that does not answer."""


class Patience:
    """How long a place is asked again.

    Args:
        address: of the place, for messages.
        seconds: for which it is asked again.
        passing: whether an error may pass; any other is raised as it is.
    """

    def __init__(self, address: str, seconds: float, passing: Callable[[Exception], bool]):
        self.address, self.seconds, self.passing = address, seconds, passing

    def ask(self, request: Callable[[], T]) -> T:
        """Return what a request gives; repeated while the place does not answer.

        Raises:
            StoreUnreachable: it did not answer for a long time.
        """
        end, wait = time.monotonic() + self.seconds, 0.5
        while True:
            try:
                return request()
            except Exception as error:
                if not self.passing(error):
                    raise
                if time.monotonic() + wait > end:
                    raise StoreUnreachable(
                        f"--store {self.address}: expected it to answer, found: {type(error).__name__}: {error};"
                        " check the address, the network and your credentials"
                    ) from None
                say_once(f"--store {self.address}: does not answer ({type(error).__name__}); it is asked again")
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)
