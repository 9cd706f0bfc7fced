"""How often and how long a request is retried, and the two ways in which it can fail."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

T = TypeVar("T")

PASSING = (408, 425, 429, 500, 502, 503, 504)
"""HTTP statuses that may be gone at the next try."""


class SourceFailure(Exception):
    """A source that can't give the file: one clause that says what was expected, what was found, what to do."""


class WrongBytes(SourceFailure):
    """A source that gave other bytes than those whose digest is known."""


class RetryableError(Exception):
    """A failure that may be gone at the next try."""

    def __init__(self, message: str, wait: float | None = None):
        super().__init__(message)
        self.wait = wait
        """Seconds the server asks to wait (Retry-After), or None."""


@dataclass(frozen=True)
class Network:
    """Limits of patience. All times in seconds."""

    connect: float = 10.0
    """Longest wait for a connection."""
    read: float = 30.0
    """Longest silence within an answer."""
    tries: int = 5
    """Consecutive tries that bring nothing new before a source is given up."""
    limit: int = 50
    """Tries of one source in all, also of one that brings a little each time."""
    delay: float = 1.0
    """Before the second try; doubled each time nothing came."""
    longest: float = 120.0
    """Longest wait before a try; a server that asks for more is given up."""
    sleep: Callable[[float], None] = time.sleep


def with_retries(attempt: Callable[[], T], network: Network, progress: Callable[[], int] = lambda: 0) -> T:
    """Return what `attempt` returns, trying again with exponential back-off while it raises `RetryableError`.

    Args:
        attempt: one try.
        network: the limits.
        progress: how far the tries have come; a try that comes further than all before counts as a first one.

    Raises:
        SourceFailure: the limits are reached.
    """
    fruitless, furthest = 0, progress()
    for count in range(1, network.limit + 1):
        try:
            return attempt()
        except RetryableError as failure:
            reached = progress()
            fruitless = fruitless + 1 if reached <= furthest else 1
            furthest = max(furthest, reached)
            if fruitless >= network.tries or count == network.limit:
                raise SourceFailure(f"{failure} ({count} tries); try again later") from None
            wait = network.delay * 2 ** (fruitless - 1)
            if failure.wait is not None and failure.wait > network.longest:
                raise SourceFailure(
                    f"{failure}; the server asks to wait {failure.wait:,.0f} s, more than {network.longest:,.0f} s;"
                    " try again then"
                ) from None
            network.sleep(min(network.longest, max(wait, failure.wait or 0.0)))
    raise AssertionError("the loop ends by returning or raising")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a Retry-After header asks for (a number or an HTTP date), or None."""
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal() and len(value) < 10:
        return float(value)
    try:
        return max(0.0, (email.utils.parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
