import contextlib
import resource

import pytest

from tests.report.samples import NASTY
from tests.report.suite import CLAIMS, record_of, run, write_suite


@pytest.fixture
def no_room():
    """Return a context in which no file can grow beyond `size` bytes: the kernel's own full disk."""

    @contextlib.contextmanager
    def limited(size):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


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
