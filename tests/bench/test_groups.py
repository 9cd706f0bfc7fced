"""What one part of a group does to the others: nothing, and every row is on the disk as soon as it is measured."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from bench import groups
from bench.groups import Budget, measure
from bench.journal import Journal, read
from bench.rows import Row
from tests.report.suite import ROOT

MODULE = "tests.bench.slow_parts"


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Measure the parts of the module above; return (part, row as JSON has it) pairs."""
    monkeypatch.setitem(groups.GROUPS, "slow", MODULE)

    def call(minutes=None, wanted=()):
        path = tmp_path / "rows.jsonl"
        path.unlink(missing_ok=True)
        measure("slow", 2, Journal(path), Budget(minutes), wanted)
        return [(line["part"], line) for line in read(path)]

    return call


def test_parts_that_fail_die_or_hang_become_rows_and_the_next_goes_on(measured):
    found = measured(minutes=10)
    notes = [(part, line.get("note", "")) for part, line in found if line["name"] != "pid"]
    assert notes == [
        ("good", ""),
        ("good", ""),
        ("raises", ""),
        ("raises", "failed: KeyError: 'gone'"),
        ("refuses", "not measured: expected more memory, found less"),
        ("dies", ""),
        ("dies", f"failed: its process ended with exit code {-signal.SIGKILL}"),
        ("hangs", ""),
        ("hangs", "stopped: it took longer than it may"),
        ("long", notes[-1][1]),
    ]
    assert notes[-1][1].startswith("left out: it takes about 1000000 s, ")
    processes = {part: line["value"] for part, line in found if line["name"] == "pid"}
    assert list(processes) == ["alone", "process", "same process", "last"]
    assert processes["process"] == processes["same process"] == processes["last"] != processes["alone"]


def test_parts_are_chosen_by_name_and_left_out_once_the_time_is_over(measured):
    assert [line["value"] for _, line in measured(wanted=["good", "ast"])][:2] == [0, 1]
    assert {part for part, _ in measured(wanted=["good", "ast"])} == {"good", "last"}
    assert {line["note"].partition(":")[0] for _, line in measured(minutes=0)} == {"left out"}


def test_a_call_that_is_killed_leaves_its_rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    code = (
        f"from bench import groups; from bench.journal import Journal; groups.GROUPS['slow'] = '{MODULE}';"
        f" journal = Journal(__import__('pathlib').Path('{path}')); journal.begin({{'cpu': 'here'}}, commit='abc');"
        " groups.measure('slow', 1, journal, groups.Budget(), ['hangs', 'good'])"
    )
    place = {"cwd": ROOT, "env": os.environ | {"PYTHONPATH": str(ROOT)}, "stdout": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, **place)
    while len(read(path) if path.exists() else []) < 2 and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait()
    call, row, *_ = read(path)
    assert (call["call"]["machine"], call["call"]["commit"]) == ({"cpu": "here"}, "abc")
    assert (row["group"], row["part"], row["name"], row["value"]) == ("slow", "good", "good", 0)


def test_a_line_that_is_not_whole_spoils_no_other(tmp_path):
    path = tmp_path / "folder" / "rows.jsonl"
    Journal(path).add("a", "b", Row("x", "s", 1.234567))
    with path.open("a") as file:
        file.write('{"group": "a", "pa')
    Journal(path).add("a", "b", Row("y", note="none"))
    assert [line["name"] for line in read(path)] == ["x", "y"]
    assert read(path)[0]["value"] == 1.2346
    assert len(path.read_text().splitlines()) == 3
    assert all(json.loads(line) for line in path.read_text().splitlines()[::2])
