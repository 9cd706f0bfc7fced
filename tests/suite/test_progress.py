import threading
import time

import pytest

from harness.suite.progress import RunProgress, span
from harness.suite.selection import Selected, selection_of


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def results(tmp_path):
    return [tmp_path / f"{k}.json" for k in range(5)]


def test_a_line_says_how_many_are_stored_and_how_long_the_rest_takes(results):
    clock = Clock()
    results[0].touch()  # was there before the session, so says nothing of its speed
    progress = RunProgress(results, print, clock=clock)
    clock.now = 20.0
    assert progress.line() == "runs: 1 of 5"
    results[1].touch()
    assert progress.line() == "runs: 2 of 5"  # the workers had to start first: not yet a speed
    results[2].touch()
    clock.now = 30.0
    assert progress.line() == "runs: 3 of 5, 0:20 left"  # one in 10 s, two to come
    clock.now = 50.0
    assert progress.line() == "runs: 3 of 5, 1:00 left"
    for path in results:
        path.touch()
    assert progress.line() == ""


def test_a_run_that_two_workers_planned_counts_once(results):
    assert RunProgress([*results, *results], print).line() == "runs: 0 of 5"


def test_lines_are_told_until_all_results_are_stored(results):
    lines, told = [], threading.Event()

    def say(line):
        lines.append(line)
        told.set()

    progress = RunProgress(results, say, every=0.01)
    progress.start()
    assert told.wait(10)
    for path in results:
        path.touch()
    deadline = time.monotonic() + 10
    while progress._thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not progress._thread.is_alive()
    assert lines[0] == "runs: 0 of 5"
    progress.stop()


def test_nothing_is_told_where_all_is_stored_and_stopping_ends_it(results):
    lines = []
    for path in results:
        path.touch()
    done = RunProgress(results, lines.append, every=0.01)
    done.start()
    done.stop()
    results[0].unlink()
    waiting = RunProgress(results, lines.append, every=1000)
    waiting.start()
    waiting.stop()
    assert lines == []
    assert not waiting._thread.is_alive()


@pytest.mark.parametrize("seconds, text", [(0, "0:00"), (59.6, "1:00"), (3725, "1:02:05")])
def test_a_span_of_time_for_a_reader(seconds, text):
    assert span(seconds) == text


def test_workers_hand_over_what_they_planned():
    assert selection_of(Selected(runs=("a", "b")).encoded()).runs == ("a", "b")
