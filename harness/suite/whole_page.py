"""Write pytest-html's page whole or not at all: to another file first, then renamed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest

from harness.suite.held_script import held
from harness.suite.landmarks import with_landmarks


@contextlib.contextmanager
def whole_page(config: pytest.Config) -> Iterator[None]:
    """Let pytest-html write its page beside the place where it belongs, complete it and rename it at the end.

    Where that fails the page that was there stays, and pytest-html does not say that it wrote one.

    Args:
        config: of the session; without pytest-html nothing is done.

    Raises:
        OSError: the page can't be written; nothing of it is left.
    """
    from pytest_html.basereport import BaseReport

    writer = next((each for each in config.pluginmanager.get_plugins() if isinstance(each, BaseReport)), None)
    if writer is None:
        yield
        return
    place = writer._report_path
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    writer._report_path = beside
    try:
        yield
        if beside.exists():
            beside.write_bytes(with_landmarks(held(beside.read_bytes().decode())).encode())
            beside.replace(place)
    except OSError:
        config.pluginmanager.unregister(writer)
        raise
    finally:
        writer._report_path = place
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
