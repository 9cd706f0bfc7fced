"""Make what a GPU image needs that has PyTorch and JAX but not this project's other dependencies, nor a network.

    python bench/bare_image/make.py OUT [--have NAME ...] [--python 3.12]

OUT then holds the project's files, the wheels that are missing there, and run.sh: see README.md beside this file.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
HAVE = ("torch", "torchvision", "timm", "transformers", "jax", "flax", "pandas", "pytest", "pytest-xdist")
"""What the image has, each with all that no other dependency of the project needs, too."""
BUILT = ("numpy", "scipy", "jaxlib", "ml-dtypes", "tensorstore")
"""What is as large as it is, or built for others of the image, so that it comes with them."""
PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64")
MORE = ("run.sh", "unpack.py")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT", help="a new folder")
    parser.add_argument("--have", nargs="+", default=HAVE, metavar="NAME", help="what the image has (%(default)s)")
    parser.add_argument("--python", default="3.12", metavar="VERSION", help="the image's (default: %(default)s)")
    options = parser.parse_args()
    if options.out.exists():
        parser.error(f"OUT: expected a new folder, found {options.out}; remove it or choose another")
    names = lacking(options.have, options.python)
    write_project(options.out)
    download(names, options.out / "wheels", options.python)
    for name in MORE:
        shutil.copy(HERE / name, options.out / name)
    size = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    print(f"{options.out}: {len(names)} wheels, {size / 1e6:.0f} MB: {', '.join(names)}")


def lacking(have: Iterable[str], python: str) -> list[str]:
    """Return the names of what the project needs besides what an image has; unpack.py leaves out what is there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    there = {normal(name) for name in (*have, *BUILT)}
    return sorted(closure((Requirement(each).name for each in project), python, there) - there)


def closure(names: Iterable[str], python: str, known: Iterable[str] = ()) -> set[str]:
    """Return packages and all that they need, as what is installed here says it.

    Args:
        names: of packages that are installed here; others need nothing.
        python: the version that it is needed for.
        known: packages that are not looked into.
    """
    found: set[str] = set()
    waiting = [normal(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += () if name in known else list(needs(name, python))
    return found


def needs(name: str, python: str) -> Iterator[str]:
    """Yield what a package needs on Linux with a version of Python, without extras."""
    try:
        texts = requires(name) or []
    except PackageNotFoundError:
        return
    there = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux", "extra": ""}
    there |= {"platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"}
    for text in texts:
        asked = Requirement(text)
        if asked.marker is None or asked.marker.evaluate(there):
            yield normal(asked.name)


def normal(name: str) -> str:
    """Return a package's name as it is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def write_project(out: Path) -> None:
    """Write the files of the commit that is checked out, and its name.

    Raises:
        SystemExit: git can't say which files these are.
    """
    project = out / "project"
    project.mkdir(parents=True)
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", "HEAD"], capture_output=True, check=False)
    if archive.returncode:
        raise SystemExit(f"expected a git checkout at {ROOT}, found: {archive.stderr.decode().strip()}")
    subprocess.run(["tar", "-x", "-C", str(project)], input=archive.stdout, check=True)
    named = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"], capture_output=True, check=True)
    (out / "commit").write_bytes(named.stdout)


def download(names: Iterable[str], folder: Path, python: str) -> None:
    """Download wheels in the versions of constraints.txt.

    Raises:
        SystemExit: pip can't have one.
    """
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--only-binary=:all:"]
    command += ["--python-version", python, "--constraint", str(ROOT / "constraints.txt"), "--dest", str(folder)]
    for platform in PLATFORMS:
        command += ["--platform", platform]
    done = subprocess.run([*command, *names], check=False)
    if done.returncode:
        raise SystemExit(f"expected wheels of {', '.join(names)}, found that pip failed; see above")


if __name__ == "__main__":
    main()
