import argparse
import importlib

from harness.core.config import read_config, use


def command(*arguments):
    """Run a command through its own parser and return its exit status."""
    name = str(arguments[0])
    module = importlib.import_module(f"harness.cli.{name}")
    parser = argparse.ArgumentParser()
    module.add_parser(parser.add_subparsers(dest="command", required=True))
    options = parser.parse_args([str(argument) for argument in arguments])
    use(read_config({key: getattr(options, key, None) for key in ("home", "cache", "offline", "paper")}))
    try:
        return module.run(options)
    finally:
        use(None)
