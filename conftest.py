"""Everything is in the plugin."""

pytest_plugins = ["harness.plugin"]
