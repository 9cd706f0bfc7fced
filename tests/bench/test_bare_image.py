"""What a bare GPU image is given: what it lacks, and nothing in place of what it has."""

import subprocess
import sys
import zipfile

import pytest

from bench.bare_image import make
from tests.report.suite import ROOT


def test_what_the_image_has_is_not_sent_and_what_it_lacks_is():
    names = make.lacking(make.HAVE, "3.12")
    assert {"pydantic", "pydantic-core", "annotated-types", "typing-inspection", "platformdirs", "pytest-html"} <= {
        *names
    }
    assert not {"torch", "jax", "jaxlib", "numpy", "transformers", "triton"} & {*names}
    assert not [name for name in names if name.startswith(("nvidia", "cuda"))]
    assert {"matplotlib", "scikit-learn"} <= {*names}
    assert "matplotlib" not in make.lacking([*make.HAVE, "matplotlib"], "3.12")


@pytest.fixture
def unpacked(tmp_path):
    """Unpack two wheels, of a package that is here and of one that is not; return the folder and what was said."""
    wheels, folder = tmp_path / "wheels", tmp_path / "packages"
    wheels.mkdir()
    for name, version in (("pydantic", "999.0"), ("not_here", "1.0")):
        with zipfile.ZipFile(wheels / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}/__init__.py", f"version = '{version}'\n")
    command = [sys.executable, ROOT / "bench" / "bare_image" / "unpack.py", wheels, folder, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return folder, done.stdout


def test_only_what_is_missing_is_unpacked_and_the_project_has_a_version(unpacked):
    folder, said = unpacked
    assert not (folder / "pydantic").exists()
    assert "pydantic: " in said
    code = "import importlib.metadata, not_here; print(not_here.version, importlib.metadata.version('vit-claims'))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env={"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=True
    )
    import harness

    assert done.stdout.split() == ["1.0", harness.__version__]
