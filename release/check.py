"""Check that a tag, the version and the changelog agree: `python -m release.check TAG`; needs Python alone."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import harness

CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"


def main() -> int:
    """Print what the changelog says of the tag's version."""
    if len(sys.argv) != 2:
        print(f"release-check: expected one TAG, found {len(sys.argv) - 1} arguments", file=sys.stderr)
        return 2
    try:
        print(changes(sys.argv[1], harness.__version__, CHANGELOG.read_text()))
    except ValueError as error:
        print(f"release-check: {error}", file=sys.stderr)
        return 1
    return 0


def changes(tag: str, version: str, changelog: str) -> str:
    """Return what a changelog says of the version that a tag names.

    Args:
        tag: e.g. "v1.2.0".
        version: the package's.
        changelog: in the form of Keep a Changelog.

    Raises:
        ValueError: they do not agree, in one line.
    """
    if tag != f"v{version}":
        raise ValueError(
            f"expected the tag v{version}, found {tag!r}; change the version in harness/__init__.py, or tag"
        )
    heading = rf"^## \[?{re.escape(version)}\]? - \d{{4}}-\d\d-\d\d$"
    found = re.search(rf"{heading}\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"CHANGELOG.md: expected a heading '## {version} - YYYY-MM-DD', found none; rename Unreleased")
    if not found[1].strip():
        raise ValueError(f"CHANGELOG.md: expected changes under '## {version}', found none; write them down")
    return found[1].strip()


if __name__ == "__main__":
    sys.exit(main())
