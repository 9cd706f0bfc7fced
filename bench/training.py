"""Fine-tuning on a CPU, one thread: ours against a bare PyTorch loop and against transformers' Trainer."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from functools import partial

from bench import cases, loops
from bench.cases import Case
from bench.rows import Goal, Row, compared, rounds, same_work

OF_THE_LIMIT = Goal(">=", 0.95)
AS_TRAINER = Goal(">=", 1.0)


def rows(n: int) -> Iterator[Row]:
    """Yield the rows of n rounds."""
    for case in (
        cases.small_vit(),
        cases.small_bit(),
        cases.micro("vit", steps=80),
        cases.micro("bit", steps=60),
        cases.micro("hybrid", steps=40),
    ):
        yield from whole_images(case, n)
    for case in (cases.small_vit(), cases.small_bit()):
        yield random_parts(case, n)


def whole_images(case: Case, n: int) -> Iterator[Row]:
    """Yield the rows of a case whose inputs are the same in every step."""
    laps = rounds(
        {
            "ours": lambda: loops.ours(case).lap,
            "limit": partial(loops.bare, case),
            "trainer": partial(loops.trainer, case),
        },
        n,
    )
    losses = laps["ours"][0].losses
    same_work(case.name, losses, laps["limit"][0].losses, 1e-4)
    same_work(case.name, [statistics.fmean(losses)], laps["trainer"][0].losses, 1e-4)
    name = f"{case.name}, fine-tuning"
    yield compared(name, laps["ours"], laps["limit"], "bare loop", OF_THE_LIMIT)
    yield compared(name, laps["ours"], laps["trainer"], "Trainer", AS_TRAINER)


def random_parts(case: Case, n: int) -> Row:
    """Return the row of a case whose inputs are cropped, stretched and flipped anew in every step; the limit's not."""
    ours = case.changed(case.name, crop="inception", flip=True)
    laps = rounds({"ours": lambda: loops.ours(ours).lap, "limit": partial(loops.bare, case)}, n)
    name = f"{case.name}, fine-tuning with Inception crops"
    return compared(name, laps["ours"], laps["limit"], "bare loop without crops", OF_THE_LIMIT)
