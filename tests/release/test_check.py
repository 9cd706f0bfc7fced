import subprocess
import sys
from pathlib import Path

import pytest

import harness
from release.check import changes

ROOT = Path(__file__).parents[2]
CHANGELOG = """# Changelog

## Unreleased

### Added

- Later.

## 1.2.0 - 2030-01-31

### Added

- A door.

## 1.1.0 - 2030-01-01

## 1.0.0 - 2029-12-31

- The house.
"""


@pytest.mark.parametrize(("version", "found"), [("1.2.0", "### Added\n\n- A door."), ("1.0.0", "- The house.")])
def test_the_changes_of_a_version_are_those_under_its_heading(version, found):
    assert changes(f"v{version}", version, CHANGELOG) == found


@pytest.mark.parametrize(
    ("tag", "version", "line"),
    [
        ("v1.2.1", "1.2.0", "expected the tag v1.2.0, found 'v1.2.1'"),
        ("1.2.0", "1.2.0", "expected the tag v1.2.0, found '1.2.0'"),
        ("v1.1.0", "1.1.0", "expected changes under '## 1.1.0', found none"),
        ("v1.3.0", "1.3.0", "expected a heading '## 1.3.0 - YYYY-MM-DD', found none"),
        ("v1.2", "1.2", "expected a heading '## 1.2 - YYYY-MM-DD', found none"),
    ],
)
def test_what_does_not_agree_is_one_line(tag, version, line):
    with pytest.raises(ValueError) as error:
        changes(tag, version, CHANGELOG)
    assert str(error.value).removeprefix("CHANGELOG.md: ").startswith(line)


def test_the_step_needs_no_environment_and_fails_before_there_is_a_release():
    command = ["make", "-s", "release-check", "TAG=v0.0", f"PYTHON={sys.executable} -S"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert f"expected the tag v{harness.__version__}, found 'v0.0'" in done.stderr
