"""What tests share."""

import os
from pathlib import Path

import pytest

from harness.training.devices import start_jax
from tests.report.samples import NASTY
from tests.report.suite import CLAIMS, record_of, run, write_suite

# Before any test's first JAX array: on a CPU results depend on the number of threads, and runs refuse another than one.
start_jax()
# Tiny networks compile in half the time, which is most of the time of tests in JAX.
os.environ["XLA_FLAGS"] = f"--xla_backend_optimization_level=0 {os.environ.get('XLA_FLAGS', '')}".strip()


PAPER = Path(__file__).parents[1] / "claims"
"""The paper whose networks, tables and figures many tests of the engine use, too."""
USERS = (
    "cost/test_plan.py",
    "cost/test_run_cost.py",
    "evidence/micro/test_gather.py",
    "suite/test_report_plugin.py",
    "training/torch/test_evaluation.py",
)
"""Modules that need it as soon as they are imported; single tests are marked `paper`."""
collect_ignore = [] if PAPER.is_dir() else list(USERS)


def pytest_collection_modifyitems(items):
    if not PAPER.is_dir():
        for item in items:
            if item.get_closest_marker("paper"):
                item.add_marker(pytest.mark.skip(reason="needs the ViT paper's folder, claims/"))


@pytest.fixture
def one_thread():
    """PyTorch computes with one thread, on whose number the last bits depend."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Return a folder in which both claims were judged, and what the session did."""
    folder = write_suite(tmp_path_factory.mktemp("suite"))
    return folder, run(folder, *CLAIMS)


@pytest.fixture(scope="session")
def nasty(finished, tmp_path_factory):
    """Return a folder with the record of `finished`, judged again with nasty names and a failure among them."""
    folder = write_suite(tmp_path_factory.mktemp("nasty"))
    (folder / "reports").mkdir()
    (folder / "reports" / "verdicts.json").write_bytes(record_of(finished[0]))
    return folder, run(folder, "test_claim1.py", "test_nasty.py", "--metadata", NASTY, NASTY)
