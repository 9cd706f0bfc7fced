"""The suite's command line options: the values they take, and which of them affect the selected tests."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import pytest

from harness.core.errors import ClaimsError
from harness.core.source import GPU, MEASURED
from harness.evidence.questions import EvidenceRequest
from harness.judging.question import FEWEST_SEEDS
from harness.suite.selection import Selected, computes_nothing, selects_gpu
from harness.suite.session import LOCAL, RAY

MOST_HOURS = 24.0
AUTO = "auto"
"""Of --seeds: more seeds where a question is open."""
DEFAULTS: dict[str, Any] = {
    "--home": None,
    "--report-dir": "reports",
    "--baseline": None,
    "--jobs": None,
    "--backend": "torch",
    "--recipe": "",
    "--seeds": None,
    "--specifications": "reduced",
    "--device": "auto",
    "--compile": False,
    "--no-fused": False,
    "--no-graphs": False,
    "--strict-verdicts": False,
    "--plan": False,
    "--card": None,
    "--price-per-hour": None,
    "--max-gpu-hours": MOST_HOURS,
    "--time-limit": None,
    "--gpus-per-run": 1,
    "--executor": LOCAL,
    "--ray-address": "",
    "--store": None,
}
"""Values of options that are not given. In pytest their default is None, which tells whether an option was given."""


def add_options(parser: pytest.Parser) -> None:
    """Add the suite's options."""
    add = parser.getgroup("vit-claims", "claims and their verdicts").addoption
    add(
        "--home",
        metavar="DIR",
        help="where runs and downloads are stored (default: $VIT_CLAIMS_HOME, else the user's cache folder)",
    )
    add("--report-dir", metavar="DIR", help="where the report goes, relative to rootdir (default: reports)")
    add(
        "--baseline",
        metavar="DIR",
        help="compare with another report (its folder, or a bundle) and fail where an answer or a verdict differs from"
        " it",
    )
    add("--jobs", type=int, metavar="N", help="number of processes that compute runs (default: one per core)")
    add(
        "--backend",
        choices=("torch", "jax", "both"),
        help="framework that computes runs; both also tests whether the two agree (default: torch)",
    )
    add(
        "--recipe",
        metavar="NAME",
        help="with -m gpu: how to fine-tune released checkpoints: a protocol of the paper (protocols.toml) or any"
        " recipe (default: the protocol of paper.toml)",
    )
    add(
        "--seeds",
        type=seeds,
        metavar="N",
        help="with -m gpu: number of seeds of the final runs (default: the seeds of paper.toml); auto: 3, then 5, 8 and"
        " 12 for questions that are open and could still be decided",
    )
    add(
        "--specifications",
        choices=("reduced", "full"),
        help="with -m micro: how many ways of making the micro study's comparisons its sensitivity is judged by"
        " (default: reduced)",
    )
    add(
        "--device",
        choices=("auto", "cpu"),
        help="with -m gpu: auto requires an accelerator; cpu computes without one, very slowly (default: auto)",
    )
    add(
        "--compile",
        action="store_true",
        default=None,
        help="with -m gpu: compile the blocks of models with torch.compile",
    )
    add(
        "--no-fused",
        action="store_true",
        default=None,
        help="with -m gpu: train by PyTorch's own operations, not by fused kernels",
    )
    add(
        "--no-graphs",
        action="store_true",
        default=None,
        help="with -m gpu: launch the kernels of a training step one by one, not as a CUDA graph",
    )
    add(
        "--time-limit",
        type=float,
        metavar="HOURS",
        help="begin no run that would take longer than is left, save what is running at the end, and report the rest as"
        " NOT RUN, which is no failure; the next session goes on (default: no limit)",
    )
    add(
        "--gpus-per-run",
        type=int,
        metavar="N",
        help="with -m gpu: compute each run on N accelerators, each with a share of every batch (default: 1)",
    )
    add(
        "--executor",
        choices=(LOCAL, RAY),
        help="what computes runs: this machine's cores and accelerators, or a Ray cluster (default: local)",
    )
    add(
        "--ray-address",
        metavar="ADDRESS",
        help="with --executor ray: the cluster, e.g. auto or HOST:6379 (default: $RAY_ADDRESS, else one that is"
        " started on this machine)",
    )
    add(
        "--store",
        metavar="PLACE",
        help="a folder or an address of fsspec (s3://..., gs://...) where several machines share results and states"
        " (default: $VIT_CLAIMS_STORE, else none)",
    )
    add(
        "--strict-verdicts",
        action="store_true",
        default=None,
        help="fail for every change of a record, what is open and not on record, what is on record and not run, and"
        " post hoc hypotheses; for a nightly job that must not pass by doing nothing",
    )
    add(
        "--plan",
        action="store_true",
        default=None,
        help="compute nothing: print what the evidence needs and costs, and write plan.json to the report folder",
    )
    add(
        "--card",
        metavar="NAME",
        help="with --plan or --max-gpu-hours: estimate for this card, e.g. h100, a100, rtx4090, t4 (default: the one in"
        " this machine)",
    )
    add(
        "--price-per-hour",
        type=float,
        metavar="X",
        help="with --plan: what the card costs per hour, in any currency; the plan shows the total",
    )
    add(
        "--max-gpu-hours",
        type=float,
        metavar="H",
        help=f"with -m gpu: do not start a session that would take longer on the card (default: {MOST_HOURS:g})",
    )


def seeds(text: str) -> int | str:
    """Return the value of --seeds: a number, or AUTO."""
    return AUTO if text == AUTO else int(text)


def given(config: pytest.Config, name: str) -> bool:
    """Return whether an option was given on the command line or in the configuration file."""
    return config.getoption(name, None) is not None


def option(config: pytest.Config, name: str) -> Any:
    """Return an option's value, its default where it was not given."""
    # A conftest.py that pytest finds during collection is too late to add options, so none can have been given.
    value = config.getoption(name, None)
    return DEFAULTS[name] if value is None else value


def request_of(config: pytest.Config) -> EvidenceRequest:
    """Return what the options request from the sources that measure."""
    grid = option(config, "--specifications")
    return EvidenceRequest(option(config, "--backend"), option(config, "--recipe"), "full" if grid == "full" else "")


def require_values(config: pytest.Config) -> None:
    """Refuse values that no session can use.

    Raises:
        ClaimsError: with the option, what it takes and what was found.
    """
    for name in ("--jobs", "--seeds", "--gpus-per-run"):
        if given(config, name) and option(config, name) != AUTO and option(config, name) < 1:
            raise ClaimsError(f"{name}: expected at least 1, found {option(config, name)}")
    if given(config, "--seeds") and option(config, "--seeds") != AUTO and 1 < option(config, "--seeds") < FEWEST_SEEDS:
        raise ClaimsError(
            f"--seeds: expected 1, or {FEWEST_SEEDS} or more, found {option(config, '--seeds')}: with fewer than"
            f" {FEWEST_SEEDS} only one run is compared, so the others would be computed for nothing"
        )
    for name in ("--report-dir", "--home", "--baseline", "--store"):
        if given(config, name) and not option(config, name).strip():
            raise ClaimsError(f"{name}: expected a folder, found nothing; name one or leave out the option")
    limits = (("--max-gpu-hours", "hours", math.inf), ("--price-per-hour", "a price", 1e300))
    for name, unit, top in (*limits, ("--time-limit", "hours", 1e6)):
        if given(config, name) and not 0 <= option(config, name) <= top:  # nan is in no interval
            raise ClaimsError(f"{name}: expected {unit} of 0 or more, found {option(config, name):g}")
    if option(config, "--executor") == RAY and config.getoption("numprocesses", None):
        raise ClaimsError("--executor ray: expected one process of pytest, found -n; leave it out, Ray has the workers")
    if given(config, "--card"):
        from harness.cost.cards import card

        card(option(config, "--card"))
    if given(config, "--recipe"):
        request_of(config).require()


def require_used(config: pytest.Config, selected: Selected) -> None:
    """Refuse options that do nothing for the selected tests: whoever gives one expects it to do something.

    Raises:
        ClaimsError: with the option, what it is for and what was found.
    """
    if not selected.tests or config.option.collectonly:
        return
    plans = bool(option(config, "--plan"))
    computes = selects_gpu(config) and GPU in selected.kinds and not plans
    on_ray = option(config, "--executor") == RAY and not plans
    found = " and ".join(sorted(selected.kinds)) or "no claims"
    found_here = "--executor ray" if on_ray else f"{found} selected"
    measured = GPU in selected.kinds or "micro" in selected.kinds
    computed = measured or MEASURED in selected.kinds
    rules = {
        "--plan": (computed, "tests of the micro, gpu or measured evidence", f"{found} selected; add -m gpu"),
        "--recipe": (GPU in selected.kinds, "tests of the gpu evidence", f"{found} selected; add -m gpu"),
        "--seeds": (GPU in selected.kinds, "tests of the gpu evidence", f"{found} selected; add -m gpu"),
        "--device": (computes or plans, "a session that computes the gpu evidence", "none; add -m gpu"),
        "--compile": (computes or plans, "a session that computes the gpu evidence", "none; add -m gpu"),
        "--no-fused": (computes or plans, "a session that computes the gpu evidence", "none; add -m gpu"),
        "--no-graphs": (computes or plans, "a session that computes the gpu evidence", "none; add -m gpu"),
        "--max-gpu-hours": (computes or plans, "a session that computes the gpu evidence", "none; add -m gpu"),
        "--specifications": ("micro" in selected.kinds, "tests of the micro evidence", f"{found} selected"),
        "--backend": (measured, "tests of the micro or gpu evidence", f"{found} selected"),
        "--jobs": (computed and not on_ray, "tests of the micro, gpu or measured evidence, computed here", found_here),
        "--gpus-per-run": (computes, "a session that computes the gpu evidence", "none; add -m gpu"),
        "--time-limit": (computed, "tests of the micro, gpu or measured evidence", f"{found} selected"),
        "--executor": (computed, "tests of the micro, gpu or measured evidence", f"{found} selected"),
        "--ray-address": (computed and on_ray, "--executor ray", "another; add it"),
        "--store": (computed, "tests of the micro, gpu or measured evidence", f"{found} selected"),
        "--card": (
            plans or (computes and given(config, "--max-gpu-hours")),
            "--plan, or -m gpu with --max-gpu-hours",
            "neither; add --plan",
        ),
        "--price-per-hour": (plans, "--plan", "none; add --plan"),
    }
    for name, (used, expected, instead) in rules.items():
        if given(config, name) and not used:
            raise ClaimsError(f"{name} does nothing here: expected {expected}, found {instead}, or leave out {name}")
    for name in ("--compile", "--no-fused", "--no-graphs"):
        if given(config, name) and option(config, "--backend") == "jax":
            raise ClaimsError(
                f"{name} does nothing here: expected the backend torch, found jax, which always compiles; leave out"
                f" {name}"
            )


@contextlib.contextmanager
def usage_errors() -> Iterator[None]:
    """Turn bad input into a usage error of pytest: one line and exit code 4."""
    try:
        yield
    except ClaimsError as error:
        raise pytest.UsageError(str(error)) from None


def asks_for_gpu(config: pytest.Config, selected: Selected) -> bool:
    """Return whether a session asks for the released checkpoints by name, and has tests of them to compute."""
    return selects_gpu(config) and GPU in selected.kinds and not computes_nothing(config)
