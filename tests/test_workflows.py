"""The workflows do nothing that can't be done anywhere, with no more rights than they need; scripts are checked."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text()
WRITES = {"nightly.yml": {"issues", "pages", "id-token"}, "release.yml": {"id-token"}}
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def jobs(path):
    """Return the jobs of a workflow by name."""
    return yaml.safe_load(path.read_text())["jobs"]


def steps(path):
    """Return all steps of a workflow."""
    return [step for job in jobs(path).values() for step in job["steps"]]


def targets():
    return set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


@each_workflow
def test_every_shell_step_is_a_make_target(path):
    commands = [step["run"] for step in steps(path) if "run" in step]
    words = [command.split() for command in commands]
    assert {line[0] for line in words} <= {"make"}
    assert {target for line in words for target in line[1:]} <= targets()
    assert not [command for command in commands if "${{" in command]


@each_workflow
def test_actions_are_pinned_by_their_commit_and_say_which_version_that_is(path):
    used = re.findall(r"uses: (.*)", path.read_text())
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_an_action_is_pinned_alike_everywhere():
    used = {line for path in WORKFLOWS for line in re.findall(r"uses: (.*)", path.read_text())}
    assert len({line.partition("@")[0] for line in used}) == len(used)


@each_workflow
def test_a_workflow_may_read_and_write_what_it_must_alone(path):
    assert yaml.safe_load(path.read_text())["permissions"] == {}
    given = {pair for job in jobs(path).values() for pair in job["permissions"].items()}
    assert {what for what, how in given if how == "write"} == WRITES.get(path.name, set())
    assert {what for what, how in given if how == "read"} == {"contents"}
    kept = [step["with"]["persist-credentials"] for step in steps(path) if "checkout" in step.get("uses", "")]
    assert kept
    assert not any(kept)


@each_workflow
def test_every_job_ends_and_no_two_of_a_kind_run_at_once(path):
    assert all(job["timeout-minutes"] > 0 for job in jobs(path).values())
    assert yaml.safe_load(path.read_text())["concurrency"]["group"]


def test_the_job_on_the_lab_s_machine_holds_no_right_to_write():
    assert jobs(ROOT / ".github" / "workflows" / "nightly.yml")["verify"]["permissions"] == {"contents": "read"}


def test_every_shell_script_is_checked():
    listed = re.search(r"^SCRIPTS := (.*)", MAKEFILE, re.MULTILINE)[1].split()
    left_out = (".git", ".venv", ".axe", ".actionlint", "node_modules")
    files = (
        path for path in ROOT.rglob("*") if path.is_file() and not set(path.relative_to(ROOT).parts) & set(left_out)
    )
    scripts = {str(path.relative_to(ROOT)) for path in files if is_script(path)}
    assert scripts == set(listed)


def is_script(path):
    with path.open("rb") as file:
        return bool(re.match(rb"#!.*\b(?:sh|bash)\n", file.readline(200)))


def test_a_fault_in_a_script_or_a_workflow_fails_the_check(tmp_path):
    """The checks that `make check` makes are ones that find something."""
    binaries = Path(sys.executable).parent
    script = tmp_path / "script.sh"
    script.write_text("#!/bin/sh\nrm -rf $1/*\n")
    found = subprocess.run([binaries / "shellcheck", script], capture_output=True, text=True)
    assert (found.returncode, "SC2086" in found.stdout) == (1, True)
    folder = tmp_path / ".github" / "workflows"
    shutil.copytree(WORKFLOWS[0].parent, folder)
    command = re.search(r"\$\(BIN\)/(zizmor .*)", MAKEFILE)[1].split()
    check = [binaries / command[0], *command[1:]]
    assert subprocess.run(check, cwd=tmp_path, capture_output=True).returncode == 0
    nightly = folder / "nightly.yml"
    nightly.write_text(nightly.read_text().replace("run: make nightly\n", "run: make nightly ${{ inputs.select }}\n"))
    found = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True)
    assert (found.returncode != 0, "template-injection" in found.stdout) == (True, True)
