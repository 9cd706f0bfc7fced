"""A source of evidence: its kind, a detail such as the protocol of recipes, and the framework that computes it.

Records, test ids and expected.toml hold its text form KIND[/DETAIL][@BACKEND], which is read and written only here:

    published                      the figures of all publications together
    published/SOURCE/TABLE         one publication's, in records from before they were judged together
    micro, micro@jax               the micro study, on PyTorch (not named) or JAX
    gpu/paper, gpu/paper@jax       released checkpoints, fine-tuned by a protocol of recipes
    gpu                            what was never released, whatever the protocol and the framework
    gpu/paper@both                 whether both frameworks agree
    measured, measured/gpu         a number that a function of the paper's folder measures, on the CPU or an accelerator
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from pydantic.dataclasses import dataclass

from harness.core.errors import ClaimsError
from harness.core.specs import STRICT

PUBLISHED, MICRO, GPU, MEASURED = "published", "micro", "gpu", "measured"
KINDS = (PUBLISHED, MICRO, GPU, MEASURED)
"""The kinds of sources, each a pytest marker."""
DEFAULT_BACKEND = "torch"
AGREEMENT = "both"
"""Stands for a framework where the question is whether all of them agree."""


@dataclass(frozen=True, config=STRICT)
class Source:
    """One source of evidence; `str` gives its text form."""

    kind: str
    """One of KINDS."""
    detail: str = ""
    """The protocol of recipes, the grid of specifications, or "gpu" of own numbers that take an accelerator; "" if
    nothing narrows the kind."""
    backend: str = DEFAULT_BACKEND
    """The framework that computes the runs, or AGREEMENT; of no meaning for published figures."""

    @staticmethod
    @lru_cache(maxsize=1024)
    def parse(text: str) -> Source:
        """Return the source that a text form names.

        Raises:
            ClaimsError: the text has no kind, or nothing after "/" or "@".
        """
        # Published figures are computed by no framework: an "@" belongs to the publication's name.
        body, at, backend = (text, "", "") if text.startswith(f"{PUBLISHED}/") else text.partition("@")
        kind, slash, detail = body.partition("/")
        if not kind or (slash and not detail) or (at and not backend):
            raise ClaimsError(f"source of evidence: expected KIND[/DETAIL][@BACKEND], found {text!r}; correct it")
        return Source(kind, detail, backend or DEFAULT_BACKEND)

    def __str__(self) -> str:
        detail = f"/{self.detail}" if self.detail else ""
        backend = f"@{self.backend}" if self.measured and self.backend != DEFAULT_BACKEND else ""
        return f"{self.kind}{detail}{backend}"

    @property
    def measured(self) -> bool:
        """Whether it is computed here; published figures are read."""
        return self.kind != PUBLISHED

    @property
    def markers(self) -> tuple[str, ...]:
        """The pytest markers of its tests: its kind, and "gpu" for own numbers that take an accelerator."""
        return (self.kind, GPU) if (self.kind, self.detail) == (MEASURED, GPU) else (self.kind,)

    @property
    def base(self) -> Source:
        """The source without its backend: "micro@jax" and "micro" are one source, computed twice."""
        return self.on(DEFAULT_BACKEND)

    def on(self, backend: str) -> Source:
        """Return the source as computed on a framework."""
        return replace(self, backend=backend)
