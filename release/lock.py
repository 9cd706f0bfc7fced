"""Write constraints.txt anew: `python -m release.lock FILE`.

pip resolves what pyproject.toml asks for, with all extras, and installs nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
HEAD = "# Every version of every package, exactly: Python 3.11 and 3.12 on Linux, all extras. Made with: make lock\n"
UNPINNED = {"pip", "setuptools", "wheel"}
"""What installs the others; a virtual environment brings its own."""


def main() -> int:
    """Write the file that is named."""
    if len(sys.argv) != 2:
        print(f"lock: expected one FILE, found {len(sys.argv) - 1} arguments", file=sys.stderr)
        return 2
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    found = resolved(f"{ROOT}[{','.join(extras)}]")
    lines = pins(found)
    Path(sys.argv[1]).write_text(HEAD + "".join(f"{line}\n" for line in lines))
    print(f"{sys.argv[1]}: {len(lines)} packages")
    return 0


def resolved(wanted: str) -> list[dict[str, Any]]:
    """Return what pip would install for a requirement on a machine that has nothing yet."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = ["install", "--dry-run", "--ignore-installed", "--quiet", "--report", str(report), wanted]
        subprocess.run([sys.executable, "-m", "pip", *command], check=True)
        found: list[dict[str, Any]] = json.loads(report.read_text())["install"]
        return found


def pins(found: Iterable[dict[str, Any]]) -> list[str]:
    """Return a line for each package but the project and what installs the others.

    Args:
        found: the key `install` of pip's report.
    """
    named = {each["metadata"]["name"]: each["metadata"]["version"] for each in found if "dir_info" not in of(each)}
    return sorted((f"{name}=={version}" for name, version in named.items() if name not in UNPINNED), key=str.lower)


def of(package: dict[str, Any]) -> dict[str, Any]:
    """Return where a package comes from; a folder (`dir_info`) is the project's own."""
    where: dict[str, Any] = package.get("download_info", {})
    return where


if __name__ == "__main__":
    sys.exit(main())
