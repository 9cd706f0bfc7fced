"""Functions of a paper's own folder, "module:function": imported without leaving a trace, and their digests.

Two papers may have modules of one name. A module is imported with its paper's folder on the import path for that import
only, and is not left among the modules that others can import.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib
import importlib.util
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from harness.core.errors import ClaimsError, nearest, printable, unknown
from harness.core.specs import fault

CONFIG = "config.json"
"""What transformers keeps of a network beside its weights."""
_IMPORTED: dict[tuple[Path, str, str], ModuleType] = {}
"""By folder, name and digest."""
_LOCK = threading.RLock()


def function_of(text: str, folder: Path, where: str) -> Callable[..., Any]:
    """Return a function by "module:function".

    Args:
        text: a module of the folder, or an installed one, and the function's name.
        folder: the paper's.
        where: what names it, for messages.

    Raises:
        ClaimsError: there is no such module or function, or importing it failed: one line with the place.
    """
    name, _, attribute = text.partition(":")
    module = module_of(name, folder, where)
    found = getattr(module, attribute, None)
    if not callable(found):
        known = [each for each, value in vars(module).items() if callable(value) and not each.startswith("_")]
        raise unknown("function", attribute, known, f"{where}: {name}")
    return found  # type: ignore[no-any-return]


def module_of(name: str, folder: Path, where: str) -> ModuleType:
    """Return a module of a folder, or an installed one; the folder's anew where its text has changed.

    Raises:
        ClaimsError: as `function_of`.
    """
    digest = source_digest(name, folder, where)
    key = (folder.resolve(), name, digest)
    with _LOCK:
        if key not in _IMPORTED:
            with on_path(folder), told(f"{where}: {name}", folder):
                _IMPORTED[key] = importlib.import_module(name)
        return _IMPORTED[key]


@contextlib.contextmanager
def on_path(folder: Path) -> Iterator[None]:
    """Have a folder's modules go before all others for a while; afterwards all is as it was."""
    own, root = names_in(folder), folder.resolve()
    # An installed package goes before a subfolder of its name that has no __init__.py, and stays imported.
    own -= {each for each in own if file_of(each, folder) is None and getattr(sys.modules.get(each), "__file__", None)}

    def listed() -> list[str]:
        return [each for each in sys.modules if each.partition(".")[0] in own]

    with _LOCK:
        before = {each: sys.modules.pop(each) for each in listed()}
        others = set(sys.modules)
        sys.path.insert(0, str(root))
        importlib.invalidate_caches()
        try:
            yield
        finally:
            sys.path.remove(str(root))
            added = [each for each in sys.modules if each not in others and _lies_in(sys.modules[each], root)]
            for each in {*listed(), *added}:
                del sys.modules[each]
            sys.modules.update(before)


def _lies_in(module: ModuleType, root: Path) -> bool:
    """Return whether a module is of a folder itself, not of libraries that are installed in it (a venv)."""
    known = getattr(module, "__dict__", {})  # some modules answer any attribute, __path__ too
    places = [known.get("__file__"), *(known.get("__path__") or ())]
    inside = [Path(each) for each in places if isinstance(each, str) and Path(each).is_relative_to(root)]
    if not inside:
        return False
    inner = [Path(each) for each in sys.path if Path(each).is_relative_to(root) and Path(each) != root]
    return any(not any(path.is_relative_to(each) for each in inner) for path in inside)


@contextlib.contextmanager
def told(what: str, folder: Path) -> Iterator[None]:
    """Turn whatever a paper's own code raises into one line.

    Raises:
        ClaimsError: with the kind of error, its message and the place in the folder.
    """
    try:
        yield
    except ClaimsError:
        raise
    except Exception as error:
        raise ClaimsError(f"{what}: {one_line(error, folder)}") from None


def one_line(error: BaseException, folder: Path) -> str:
    """Return an error in one line: its kind, its message, and the last place in a folder that led to it."""
    frames = traceback.extract_tb(error.__traceback__)
    root = folder.resolve()
    inside = [frame for frame in frames if Path(frame.filename).resolve().is_relative_to(root)]
    last = next(reversed(inside or list(frames)), None)
    place = "" if last is None else f", at {Path(last.filename).name}:{last.lineno}"
    message = " ".join(str(error).split())
    if isinstance(error, SyntaxError) and error.filename:
        place, message = f", at {Path(error.filename).name}:{error.lineno}", str(error.msg)
    if isinstance(error, ValidationError):  # a malformed hypothesis of a claim file
        from harness.core import claim

        return printable(f"{fault(error, getattr(claim, error.title, None))}{place}")
    return printable(f"{type(error).__name__}: {message or 'no message'}{place}")


def names_in(folder: Path) -> set[str]:
    """Return the names of a folder's own modules and packages; a subfolder with modules is one without __init__.py."""
    packages = {
        path.relative_to(folder).parts[0] for pattern in ("*/*.py", "*/*/*.py") for path in folder.glob(pattern)
    }
    return packages | {path.stem for path in folder.glob("*.py")}


def file_of(name: str, folder: Path) -> Path | None:
    """Return the file of a folder's own module, None where it has none of that name."""
    base = folder.joinpath(*name.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def source_digest(name: str, folder: Path, where: str) -> str:
    """Return the sha256 of a module's source, with that of the folder's own modules that it imports, theirs too.

    Of an installed module it is that of its file, and of the version of what it was installed with.

    Raises:
        ClaimsError: there is no such module.
    """
    if file_of(name, folder) is None:
        content = installed_file(name, folder, where).read_bytes()
        return hashlib.sha256(content + "".join(f"\n{each}" for each in versions_with(name)).encode()).hexdigest()
    digest = hashlib.sha256()
    for path in sorted(sources_of(name, folder)):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def sources_of(name: str, folder: Path) -> set[Path]:
    """Return the files of a folder's own module and of the folder's own modules that it imports, anywhere in it."""
    found: set[Path] = set()
    left = [name]
    while left:
        name = left.pop()
        path = file_of(name, folder)
        if parent := name.rpartition(".")[0]:  # importing a module runs its packages' __init__.py, too
            left.append(parent)
        if path is None or path in found:
            continue
        found.add(path)
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            continue  # importing it says so
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                left += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                package = path.parent.relative_to(folder).parts
                base = ".".join([*package[: len(package) - node.level + 1], node.module or ""] if node.level else [])
                module = base.strip(".") if node.level else node.module or ""
                left += [module, *(f"{module}.{alias.name}".strip(".") for alias in node.names)]
    return found


def versions_with(name: str) -> list[str]:
    """Return "DISTRIBUTION VERSION" of what an installed module came with; none for the standard library's."""
    return [f"{each} {version(each)}" for each in sorted(set(_distributions().get(name.partition(".")[0], ())))]


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


def installed_file(name: str, folder: Path, where: str) -> Path:
    """Return the file of an installed module.

    Raises:
        ClaimsError: there is none, or importing the package that it is in failed.
    """
    found = None
    with told(f"{where}: {name}", folder):  # it imports the packages that the module is in
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError as error:
            if not f"{name}.".startswith(f"{error.name}."):
                raise
    if found is None or not found.origin or not Path(found.origin).is_file():
        raise ClaimsError(
            f"{where}: expected the module {name}.py in {folder}, or an installed one, found none"
            f"{nearest(name, names_in(folder))}"
        )
    return Path(found.origin)
