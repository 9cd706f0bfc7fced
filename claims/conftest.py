"""Load the plugin where pytest does not look above this folder, as with `-c` or `--rootdir` in it; and its fixtures."""

import pytest

from fixtures.checkpoints import checkpoint_file
from fixtures.datasets import dataset_data, dataset_parts

__all__ = ["checkpoint_file", "dataset_data", "dataset_parts"]


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Load the plugin; it does nothing where it is loaded."""
    pluginmanager.import_plugin("harness.suite.plugin")
