"""What tests share."""

import os
from collections import Counter
from pathlib import Path

import pytest

from harness.core import config
from harness.training.devices import start_jax
from tests.report.samples import NASTY
from tests.report.suite import CLAIMS, record_of, run, write_suite

# Before any test's first JAX array: on a CPU results depend on the number of threads, and runs refuse another than one.
start_jax()
# Tiny networks compile in half the time, which is most of the time of tests in JAX.
os.environ["XLA_FLAGS"] = f"--xla_backend_optimization_level=0 {os.environ.get('XLA_FLAGS', '')}".strip()

HERE = Path(__file__).parent
# The small paper's own claim files are judged in sessions that tests start; tests of the ViT paper go with it.
collect_ignore = ["paper", *([] if (HERE.parent / "claims").is_dir() else ["claims"])]
# The small paper is the current one: in tests, in modules while they are imported, in processes that either starts.
os.environ["VIT_CLAIMS_PAPER"] = str(HERE / "paper")


TRACED = 2
"""Cases of each test function that coverage follows: tracing takes as long as the tests, and the next case of a
function mostly runs the same lines."""


def pytest_collection_modifyitems(items):
    """Trace the first cases of each test function alone."""
    seen = Counter()
    for item in items:
        function = item.nodeid.partition("[")[0]
        seen[function] += 1
        if seen[function] > TRACED:
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture(autouse=True)
def no_configuration_is_chosen():
    """A test begins with what the environment says, also in a session that judges claims, and leaves no choice behind.

    Such a session (`pytest tests examples`) chose its configuration once, for all of its tests.
    """
    before = config._used[0] if config._used else None
    config.use(None)
    yield
    config.use(before)


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
