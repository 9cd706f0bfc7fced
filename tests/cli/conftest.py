"""The commands that fetch are tried on the servers of the tests of fetching."""

from tests.fetch.conftest import clean, network, server, slept, storage

__all__ = ["clean", "network", "server", "slept", "storage"]
