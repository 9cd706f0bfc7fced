"""Data flows one way: a folder of the engine imports only from folders above it in one list."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# In the order of the flow: a folder may import from itself and from folders above it, lazy imports included.
STAGES = [
    "core",
    "fetch",
    "models",
    "data",
    "catalog",
    "training",
    "runs",
    "cost",
    "stats",
    "judging",
    "evidence",
    "report",
    "suite",
    "cli",
]
LOOSE = {"__init__", "__main__"}
"""Modules at the top of the engine; only the command line's entry imports anything."""
HEAVY = ("torch", "torchvision", "timm", "jax", "flax", "transformers", "sklearn", "pandas", "matplotlib")


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted((ROOT / "harness").rglob("*.py"))}
FOLDERED = [name for name in MODULES if name.partition(".")[2] and name.split(".")[1] not in LOOSE]


def stage_of(module: str) -> int:
    """Return the place of a module's folder in the list."""
    return STAGES.index(module.split(".")[1])


def imported(path: Path) -> set[str]:
    """Return the project's modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    modules = {name if name in MODULES else name.rpartition(".")[0] for name in found}
    return {name for name in modules if name.split(".")[0] in ("harness", "fixtures", "claims", "tests")}


def test_every_folder_is_a_stage_and_little_lies_loose():
    folders = {path.name for path in (ROOT / "harness").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(STAGES)
    assert {path.stem for path in (ROOT / "harness").glob("*.py")} == LOOSE


@pytest.mark.parametrize("module", FOLDERED)
def test_module_imports_only_earlier_stages(module):
    found = imported(MODULES[module])
    assert {name for name in found if name.split(".")[0] != "harness"} == set()
    assert {name for name in found if name != "harness" and stage_of(name) > stage_of(module)} == set()


def test_a_later_stage_is_noticed(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text("def f():\n    from harness.judging.judge import judge\n    from harness.runs import store\n")
    assert imported(wrong) == {"harness.judging.judge", "harness.runs.store"}
    assert stage_of("harness.judging.judge") > stage_of("harness.runs.store")


@pytest.mark.parametrize(
    "command",
    [
        "import harness.suite.plugin",
        "import harness.__main__",
        "import pytest; assert pytest.main(['-p', 'harness.suite.plugin', 'paper', '--collect-only', '-q']) == 0",
    ],
    ids=["plugin", "command line", "collecting the claims"],
)
def test_heavy_libraries_are_not_imported(command, tmp_path):
    shutil.copytree(ROOT / "tests" / "paper", tmp_path / "paper")
    place = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": str(ROOT)}}
    code = f"{command}\nimport sys\nprint([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, **place)
    assert done.stdout.strip().splitlines()[-1] == "[]"
