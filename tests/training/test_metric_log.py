"""The history of a run and its progress bar."""

import io
import json

import pytest

from harness.training.api import Progress
from harness.training.metric_log import History, Meter, bar
from tests.runs.test_executor import runs


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_a_second_and_the_last_one(tmp_path, monkeypatch):
    clock = iter([100.0, 100.4, 101.0, 101.5, 101.6])
    monkeypatch.setattr("harness.training.metric_log.time.monotonic", lambda: next(clock))
    history = History(tmp_path, "abc", 0)
    for step in range(5):
        history.note(Progress(step, 2.0 - step, 0.01, 55.555, 7), last=step == 4)
    history.close()
    found = lines(tmp_path / "history" / "abc.jsonl")
    assert [line["step"] for line in found] == [0, 2, 4]
    assert found[1] | {"time": ""} == {
        "step": 2,
        "loss": 0.0,
        "lr": 0.01,
        "images_per_second": 55.55,
        "device_memory": 7,
        "time": "",
    }


def test_a_resumed_run_goes_on_without_what_came_after_its_state(tmp_path):
    path = tmp_path / "history" / "abc.jsonl"
    path.parent.mkdir()
    path.write_text('{"step": 0}\n{"step": 3}\n{"step": 6}\n{"step": 7, "lo')  # killed while it wrote
    history = History(tmp_path, "abc", 4)
    history.note(Progress(4, 1.0, 0.1), last=False)
    history.close()
    assert [line["step"] for line in lines(path)] == [0, 3, 4]


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    history = History(None, "abc", 0)
    history.note(Progress(0, 1.0, 0.1), last=True)
    history.close()
    assert list(tmp_path.iterdir()) == []


def test_the_rate_is_that_of_the_last_steps(monkeypatch):
    clock = iter([0.0, *(10.0 + n for n in range(40))])
    monkeypatch.setattr("harness.training.metric_log.time.perf_counter", lambda: next(clock))
    meter = Meter()
    assert meter.rate(64) == pytest.approx(6.4)  # ten seconds for the first
    rates = [meter.rate(64) for _ in range(35)]
    assert rates[-1] == pytest.approx(64)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_shows_the_step_and_its_figures_and_a_resumed_run_begins_where_it_is(monkeypatch):
    (run,) = runs(1, steps=50)
    shown = Terminal()
    monkeypatch.setattr("sys.stderr", shown)
    with bar(run) as on_step:
        on_step(Progress(40, 1.2345, 0.001, 1234.5, 3 << 30))
        on_step(Progress(49, 0.5, 0.0005, 1300, 3 << 30))
    text = shown.getvalue()
    assert "50/50" in text
    assert "3.0 GiB, loss 0.500, lr 5.00e-04, 1,300 images/s" in text
    assert run.label in text


def test_the_bar_is_quiet_when_not_on_a_terminal(capsys):
    (run,) = runs(1)
    with bar(run) as on_step:
        on_step(Progress(0, 1.0, 0.1))
    assert capsys.readouterr() == ("", "")
