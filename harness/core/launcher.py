"""The environment variables that a launcher of several processes (`torchrun`, `accelerate launch`) sets in each."""

from __future__ import annotations

import os
from collections.abc import Mapping

from harness.core.errors import ClaimsError

SIZE, RANK, LOCAL_RANK = "WORLD_SIZE", "RANK", "LOCAL_RANK"
ADDRESS, PORT = "MASTER_ADDR", "MASTER_PORT"
VARIABLES = (SIZE, RANK, LOCAL_RANK, ADDRESS, PORT)
"""A launcher sets all of them."""


def process_count(environment: Mapping[str, str] | None = None) -> int:
    """Return how many processes compute a run together: 1 unless a launcher started this one.

    Incomplete or contradictory variables are refused here, because later the process would wait for others that
    were never started, or leave it to a first process that does not exist to store and print.

    Args:
        environment: the process' environment variables (default: os.environ).

    Raises:
        ClaimsError: some of the variables are missing, or they contradict each other.
    """
    found = variables(environment)
    numbers = {name: number(name, found[name]) for name in (SIZE, RANK, LOCAL_RANK, PORT) if name in found}
    size, rank, local = numbers.get(SIZE, 1), numbers.get(RANK, 0), numbers.get(LOCAL_RANK, 0)
    if size == 1 and rank == 0 and LOCAL_RANK not in found:
        return 1
    missing = [name for name in VARIABLES if name not in found]
    if missing:
        raise ClaimsError(
            f"{shown(found)}: expected all of {', '.join(VARIABLES)}, as a launcher sets them, found no"
            f" {', '.join(missing)}; start with `accelerate launch -m harness run ...`, or unset them to compute"
            " in one process"
        )
    if not (0 <= rank < size and 0 <= local < size):
        raise ClaimsError(
            f"{shown(found)}: expected {RANK} and {LOCAL_RANK} from 0 to {size - 1}, fewer than {SIZE};"
            " start with `accelerate launch -m harness run ...`, or unset them to compute in one process"
        )
    return size


def require_single_process(environment: Mapping[str, str] | None = None) -> None:
    """Refuse to be one of several processes that a launcher started.

    Raises:
        ClaimsError: the variables speak of a launcher.
    """
    found = variables(environment)
    if LOCAL_RANK in found or found.get(SIZE, "1") != "1" or found.get(RANK, "0") != "0":
        raise ClaimsError(
            f"{shown(found)}: expected pytest to be started without a launcher, found variables of one; unset them,"
            " and use -n N for several processes"
        )


def variables(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the launcher's variables that are set; LOCAL_RANK=-1 means that there is no launcher."""
    given = os.environ if environment is None else environment
    found = {name: given[name].strip() for name in VARIABLES if given.get(name, "").strip()}
    if found.get(LOCAL_RANK) == "-1":
        del found[LOCAL_RANK]
    return found


def number(name: str, text: str) -> int:
    """Return the whole number in a variable."""
    least = 0 if name in (RANK, LOCAL_RANK) else 1
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise ClaimsError(
            f"{name}: expected a whole number of at least {least}, set by a launcher, found {text!r}; unset it"
        )
    return int(text)


def shown(found: Mapping[str, str]) -> str:
    """Return the variables as a shell would set them."""
    return " ".join(f"{name}={text}" for name, text in found.items())
