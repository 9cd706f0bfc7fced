"""The graphics cards that a cost is estimated for (cards.toml), by name or as found in this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from pydantic.dataclasses import dataclass

from harness.core.errors import unknown
from harness.core.specs import STRICT, Count, Positive, Share
from harness.core.toml import read_specs

Precision = Literal["float32", "tf32", "float16", "bfloat16"]
Kind = Literal["matrix product", "convolution", "attention", "other"]
"""Of a kernel: which of a card's rates it goes by."""


@dataclass(frozen=True, config=STRICT)
class Card:
    """A graphics card: its memory, the peak rates of its arithmetic, and how much of them is reached."""

    id: str
    title: str
    memory: Count
    """Bytes."""
    float32: Positive | None = None
    """FLOP/s without tensor cores; None, here and below: not known, or no such arithmetic."""
    tf32: Positive | None = None
    """FLOP/s of float32 products rounded to TF32 (dense, as all of these)."""
    float16: Positive | None = None
    bfloat16: Positive | None = None
    bandwidth: Positive | None = None
    """Of the memory, bytes/s."""
    matrix_product_share: Share = 0.657
    """Of the peak rate that matrix products reach, the others likewise: 650 of an H100's 989 TFLOP/s in bfloat16. An
    assumption, for every card that the table says no other of."""
    convolution_share: Share = 0.485
    """480 of 989 TFLOP/s."""
    attention_share: Share = 0.404
    """400 of 989 TFLOP/s, fused."""
    bandwidth_share: Share = 0.836
    """2.8 of 3.35 TB/s."""
    device: str = ""
    """A pattern of the name that the driver reports."""
    aliases: tuple[str, ...] = ()
    citation: str = ""

    @property
    def known(self) -> bool:
        """Whether its rates are in the table."""
        return self.float32 is not None and self.bandwidth is not None

    def share(self, kind: Kind) -> float:
        """Return the share of the peak rate that kernels of a kind reach.

        Raises:
            ValueError: they compute no products.
        """
        shares = {
            "matrix product": self.matrix_product_share,
            "convolution": self.convolution_share,
            "attention": self.attention_share,
        }
        if kind not in shares:
            raise ValueError(f"expected a kind of product ({', '.join(shares)}), found {kind!r}")
        return shares[kind]

    def rate(self, precision: Precision) -> tuple[float | None, str]:
        """Return the peak in FLOP/s for a precision, and a note on it ("" for none).

        A precision that the card has no arithmetic for is estimated at its float32 rate: the run is defined in
        that precision, and conversions do not make it faster.
        """
        rates = {
            "float32": self.float32,
            "tf32": self.tf32,
            "float16": self.float16,
            "bfloat16": self.bfloat16,
        }
        found = rates[precision]
        if found is not None or not self.known:
            return found, ""
        faster = f"; a recipe in float16 would have {self.float16 / 1e12:g}" if self.float16 else ""
        slower = (self.float32 or 0.0) / 1e12
        return self.float32, f"{self.title} has no {precision}: estimated at float32, {slower:g} TFLOP/s{faster}"


TABLE = Path(__file__).with_name("cards.toml")


@cache
def cards(path: Path = TABLE) -> Mapping[str, Card]:
    """Return the cards of the table by id."""
    return MappingProxyType(read_specs(path, Card))


def card(name: str) -> Card:
    """Return a card by its id or another name of it, e.g. "h100" or "a100".

    Raises:
        ClaimsError: the table has none of that name; the nearest is named.
    """
    named = {alias: found for found in cards().values() for alias in (found.id, *found.aliases)}
    if name.lower() not in named:
        raise unknown("card", name, named)
    return named[name.lower()]


def card_of_device(name: str, memory: int) -> Card:
    """Return the card of a device, with the memory that it really has.

    Args:
        name: as the driver reports it.
        memory: bytes.

    Returns:
        The table's entry; for a device that the table does not know, a card without rates.
    """
    for found in cards().values():
        if re.fullmatch(found.device, name):
            return replace(found, memory=memory)
    return Card(id=name, title=name, memory=memory)


def card_of_ray(kind: str) -> Card | None:
    """Return the card that Ray calls by a name, e.g. "H100" or "A100-80G"; None: the table has none of it."""
    name = kind.lower().removeprefix("nvidia-").removesuffix("g")
    return next((found for found in cards().values() if name in (found.id, *found.aliases)), None)


def card_at_hand() -> Card | None:
    """Return the first CUDA device's card; None where there is no such device."""
    import torch

    if not torch.cuda.is_available():
        return None
    return card_of_device(torch.cuda.get_device_name(0), torch.cuda.get_device_properties(0).total_memory)
