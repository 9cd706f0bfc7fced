"""What a session computes with, from its options and from what this machine, or its cluster, has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.core.config import home
from harness.core.errors import ClaimsError
from harness.core.specs import BACKENDS, Backend
from harness.runs.executor import cores
from harness.suite.options import AUTO, option
from harness.suite.selection import is_worker
from harness.suite.session import RAY, SessionConfig
from harness.training import accelerators
from harness.training.api import Execution
from harness.training.devices import confine
from harness.training.metric_log import untold

ACCELERATORS = "vit_claims_accelerators"
"""The key under which a worker of pytest-xdist is told which accelerators there are."""
DEADLINE = "vit_claims_deadline"
"""The key under which it is told when the session's time is up: a new one has no time of its own."""


def session_config(config: pytest.Config, asked: bool) -> SessionConfig:
    """Return what a session computes with.

    Args:
        config: with the options.
        asked: whether it computes runs on released checkpoints.

    Raises:
        ClaimsError: it does, and there is no accelerator to compute on.
    """
    on_worker = is_worker(config)
    backend = option(config, "--backend")
    wanted: tuple[Backend, ...] = BACKENDS if backend == "both" else (backend,)
    chosen: tuple[str, ...] = ()
    refuses: dict[str, str] = {}
    if not asked:
        refuses = dict.fromkeys(wanted, "no stored result, and none is computed without -m gpu")
    elif option(config, "--device") == "auto":
        chosen, refuses = chosen_accelerators(config, wanted)
        if set(refuses) == set(wanted):
            raise ClaimsError(
                f"-m gpu: expected an accelerator, found none ({'; '.join(refuses.values())}); run it on a machine with"
                " a GPU, or see what it would cost there with --plan --card h100"
            )
    if on_worker and chosen:
        confine(chosen[0])  # its own; before CUDA starts in this process
    execution = Execution(
        compile=option(config, "--compile"),
        fused=not option(config, "--no-fused"),
        graphed=not option(config, "--no-graphs"),
    )
    return SessionConfig(
        home=home(option(config, "--home")),
        jobs=jobs(config, chosen),
        accelerators=chosen,
        refuses=tuple(refuses.items()),
        fetches=set(refuses) != set(wanted),
        execution=replace(execution, on_step=untold) if on_worker else execution,
        seeds=None if option(config, "--seeds") == AUTO else option(config, "--seeds"),
        gpus_per_run=option(config, "--gpus-per-run"),
        executor=option(config, "--executor"),
        quiet=on_worker,
        ray_address=option(config, "--ray-address"),
        hours=option(config, "--time-limit"),
        deadline=_workerinput(config).get(DEADLINE) if on_worker else None,
        more_seeds=option(config, "--seeds") == AUTO,
    )


def jobs(config: pytest.Config, chosen: tuple[str, ...]) -> int:
    """Return the number of processes that compute runs on the CPU beside this one; 0: it computes all itself.

    A worker of pytest-xdist that has an accelerator starts processes for it: runs that leave it idle share it.

    Args:
        config: with the options.
        chosen: the accelerators.
    """
    # A process that pytest-forked starts for one test ends without stopping processes of its own.
    if config.getoption("--forked", False):
        return 0
    if is_worker(config):
        return 1 if chosen else 0
    return option(config, "--jobs") or cores()


def chosen_accelerators(config: pytest.Config, wanted: tuple[Backend, ...]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the accelerators to compute on, and why frameworks that are wanted can't compute on them.

    Raises:
        ClaimsError: there is no cluster where one is asked for.
    """
    if option(config, "--executor") == RAY:
        from harness.runs import ray_workers

        count = ray_workers.groups(option(config, "--ray-address"), option(config, "--gpus-per-run"))
        found = tuple(map(str, range(count)))
        return found, {} if found else dict.fromkeys(wanted, "the Ray cluster has none")
    if is_worker(config):
        chosen = tuple(_workerinput(config)[ACCELERATORS])
    else:
        chosen = accelerators.grouped(accelerators.visible(), option(config, "--gpus-per-run"))
    refuses: dict[str, str] = {}
    if not chosen and "torch" in wanted:
        refuses["torch"] = "PyTorch finds no accelerator here"
    if "jax" in wanted and not accelerators.jax_has_one():
        refuses["jax"] = "JAX finds no accelerator here"
    elif "jax" in wanted:
        chosen = chosen or ("0",)  # one that only JAX can use
    return chosen, refuses


def _workerinput(config: pytest.Config) -> dict[str, Any]:
    given: dict[str, Any] = config.workerinput  # type: ignore[attr-defined]
    return given
