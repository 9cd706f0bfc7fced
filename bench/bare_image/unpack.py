"""Unpack those wheels whose packages are missing here or too old: python3 unpack.py WHEELS FOLDER PROJECT.

Runs on the bare image, so with Python alone.
"""

import re
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def main(wheels: Path, folder: Path, project: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    least = dict(map(split, tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"]))
    for wheel in sorted(wheels.glob("*.whl")):
        name, offered = wheel.name.split("-")[:2]
        if (found := installed(name)) is not None and found >= least.get(normal(name), ()):
            print(f"{name}: {version(name)} is here")
            continue
        print(f"{name}: {offered} unpacked")
        with zipfile.ZipFile(wheel) as content:
            content.extractall(folder)
    # What says which version of the project computed a run.
    own = re.search(r'__version__ = "(.*)"', (project / "harness" / "__init__.py").read_text())[1]
    said = folder / f"vit_claims-{own}.dist-info"
    said.mkdir(exist_ok=True)
    (said / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vit-claims\nVersion: {own}\n")


def installed(name: str) -> tuple[int, ...] | None:
    try:
        return numbers(version(name))
    except PackageNotFoundError:
        return None


def split(requirement: str) -> tuple[str, tuple[int, ...]]:
    name, _, least = requirement.partition(">=")
    return normal(name), numbers(least)


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.match(r"[\d.]*", text)[0].split(".") if part)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
