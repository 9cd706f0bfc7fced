import argparse
import importlib


def command(*arguments):
    """Run a command through its own parser and return its exit status."""
    name = str(arguments[0])
    module = importlib.import_module(f"harness.cli.{name}")
    parser = argparse.ArgumentParser()
    module.add_parser(parser.add_subparsers(dest="command", required=True))
    return module.run(parser.parse_args([str(argument) for argument in arguments]))
