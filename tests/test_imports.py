"""Data flows one way: a module imports only from stages before its own."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# In the order of the flow; a module may import from lines above its own and from its own line.
STAGES = [
    "harness",
    "harness.errors harness.text",
    "harness.spec",
    "harness.tables harness.home harness.progress harness.launcher",
    "harness.fetch",
    "harness.claim",
    "harness.known",
    "harness.backends.architectures harness.backends.paper",
    "harness.zoo harness.recipe_table harness.recipes harness.recipe_diff",
    "harness.data",
    "harness.datasets",
    "harness.store harness.accelerators",
    "harness.schedule",
    "harness.backends",
    "harness.describe harness.doctor harness.given",
    "harness.micro.fractals harness.micro.tasks",
    "harness.loading",
    "harness.measure",
    "harness.cost",
    "harness.executor",
    "harness.statistics",
    "harness.evidence.figures harness.evidence.matching harness.evidence",
    "harness.scoring harness.verdict",
    "harness.measured",
    "harness.search",
    "harness.evidence.judge harness.micro.judge harness.gpu",
    "harness.micro.pretrain harness.micro.tune harness.micro",
    "harness.questions",
    "harness.report",
    "harness.session harness.selection",
    "harness.options",
    "harness.plan_plugin harness.collecting",
    "fixtures",
    "harness.plugin",
    "harness.commands",
    "harness.__main__",
]
HEAVY = ("torch", "torchvision", "timm", "jax", "flax", "transformers", "sklearn", "pandas", "matplotlib")


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for folder in ("harness", "fixtures") for path in sorted((ROOT / folder).rglob("*.py"))}


def stage_of(module: str) -> int:
    """Return the stage whose name is the module's or the longest prefix of it."""
    matches = [
        (len(name), index)
        for index, names in enumerate(STAGES)
        for name in names.split()
        if module == name or module.startswith(f"{name}.")
    ]
    assert matches, f"{module} is in no stage: add it to STAGES where it belongs"
    return max(matches)[1]


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


@pytest.mark.parametrize("module", MODULES)
def test_module_imports_only_earlier_stages(module):
    later = {name for name in imported(MODULES[module]) if stage_of(name) > stage_of(module)}
    assert not later


def test_a_later_stage_is_noticed(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text("def f():\n    from harness.verdict import judge\n    from harness import store\n")
    assert imported(wrong) == {"harness.verdict", "harness.store"}
    assert stage_of("harness.verdict") > stage_of("harness.store")


@pytest.mark.parametrize(
    "command",
    [
        "import harness.plugin",
        "import harness.__main__; harness.__main__.commands()",
        "import pytest; assert pytest.main(['claims', '--collect-only', '-q', '-p', 'no:cacheprovider']) == 0",
    ],
    ids=["plugin", "command line", "collecting the claims"],
)
def test_heavy_libraries_are_not_imported(command, tmp_path):
    code = f"{command}\nimport sys\nprint([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
