"""Load the plugin where pytest does not look above this folder, as with `-c` or `--rootdir` in it."""

import pytest


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Load the plugin; it does nothing where it is loaded."""
    pluginmanager.import_plugin("harness.suite.plugin")
