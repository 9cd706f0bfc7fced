"""Everything is in the plugin."""

import pytest


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Load the plugin, also where pytest finds this file only while it collects (`pytest_plugins` would fail there)."""
    pluginmanager.import_plugin("harness.suite.plugin")
