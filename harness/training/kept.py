"""What the runs of one process share: values that are made once and kept as long as there is room for them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

ROOM = 1 << 26
"""Bytes: the checkpoints and features of a micro study."""

T = TypeVar("T")


class Kept(Generic[T]):
    """Values by what determines them, those that were asked for last.

    Args:
        size: returns a value's size in bytes.
        room: bytes of all values together; one that is larger is not kept.
    """

    def __init__(self, size: Callable[[T], int], room: int = ROOM):
        self._size, self._room = size, room
        self._values: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of a key, made now unless it is kept; who changes it changes it for all.

        Args:
            key: everything that the value depends on.
            make: makes the value; what it raises is raised, and nothing is kept.
        """
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key]
        value = self._values[key] = make()
        while sum(map(self._size, self._values.values())) > self._room:
            self._values.popitem(last=False)
        return value
