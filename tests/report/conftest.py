import contextlib
import resource

import pytest


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
