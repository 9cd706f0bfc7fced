import dataclasses
import json

import numpy as np
import pytest

from harness.core.errors import ClaimsError
from harness.core.verdict import Searched
from harness.report.run_records import LOSSES, gathered, read_runs, resampled, run_ids, run_record, save_runs
from harness.runs.imports import note
from harness.runs.store import Store
from tests.report.run_making import LABELS, N, diverged, made, on_card, on_cpu, record
from tests.report.samples import verdict


def test_a_record_has_the_accuracy_and_the_examples_that_were_right():
    found = record(wrong=(0, 5, 199))
    assert (found.n, found.correct, found.accuracy) == (N, 197, 98.5)
    assert np.flatnonzero(~found.got_right()).tolist() == [0, 5, 199]


def test_a_run_that_diverged_has_no_accuracy_and_says_why():
    found = run_record(*diverged())
    assert (found.accuracy, found.correct, found.got_right().tolist()) == (None, 0, [])
    assert "not finite at step 3" in found.diverged


def test_seeds_of_one_side_share_their_settings_and_nothing_else_does():
    sides = [record(0), record(1), record(0, checkpoint="other"), record(0, recipe={"learning_rate": 0.5})]
    assert [each.settings == sides[0].settings for each in sides] == [True, True, False, False]


@pytest.mark.parametrize("hits", ["!", "", "AAAA"], ids=["no base64", "nothing", "other bits"])
def test_damaged_hits_are_one_line(hits):
    with pytest.raises(ClaimsError, match=r"run [0-9a-f]{16}: hits: expected"):
        dataclasses.replace(record(), hits=hits).got_right()


def test_records_survive_their_file(tmp_path):
    runs = {each.id: each for each in (record(0, (1,)), record(1), run_record(*diverged(2)))}
    save_runs(tmp_path / "runs.json", runs)
    assert read_runs(tmp_path / "runs.json") == runs
    assert json.loads((tmp_path / "runs.json").read_text())["schema_version"] == 1
    assert read_runs(tmp_path / "none.json") == {}


DAMAGED = {
    "cut off": ('{"schema_version": 1, "runs": [', "expected JSON"),
    "a later version": ('{"schema_version": 2, "runs": []}', "expected schema_version 1, found 2"),
    "no runs": ('{"schema_version": 1}', "runs: expected a list"),
    "another record": ('{"schema_version": 1, "runs": [{"id": "x"}]}', "runs record 1: key"),
}


@pytest.mark.parametrize("content, message", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_one_line_that_names_it_and_stays(tmp_path, content, message):
    path = tmp_path / "runs.json"
    path.write_text(content)
    with pytest.raises(ClaimsError) as caught:
        read_runs(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)
    assert path.read_text() == content


def test_the_runs_of_searches_count_and_each_is_named_once():
    searched = (Searched("net", 0.1, 90.0, True, ("c", "a")),)
    assert run_ids([verdict(runs=("b", "a"), searched=searched), verdict(runs=("b",))]) == ["a", "b", "c"]


def test_runs_are_gathered_from_the_store_and_where_it_has_none_from_the_record_before(tmp_path):
    store = Store(tmp_path)
    here, elsewhere, lost = made(0, (1, 2)), record(1), record(2)
    store.put(*here)
    asked = [verdict(runs=(here[0].id, elsewhere.id, lost.id))]
    stale = dataclasses.replace(record(0), correct=1)
    found, problems = gathered(asked, store, {elsewhere.id: elsewhere, here[0].id: stale})
    assert set(found) == {here[0].id, elsewhere.id}
    assert (found[here[0].id].correct, found[here[0].id].origin) == (N - 2, "")
    assert found[here[0].id].computed == store.computed(here[0].id)
    assert found[elsewhere.id] == elsewhere
    assert problems == []


def test_an_imported_run_says_where_it_comes_from(tmp_path):
    run, result = made()
    Store(tmp_path).put(run, result)
    note(tmp_path, result, "night.zip")
    found, _ = gathered([verdict(runs=(run.id,))], Store(tmp_path), {})
    assert found[run.id].origin == "night.zip"
    Store(tmp_path).put(run, dataclasses.replace(result, seconds=3.0))  # computed again
    found, _ = gathered([verdict(runs=(run.id,))], Store(tmp_path), {})
    assert found[run.id].origin == ""


def test_a_damaged_result_is_told_and_the_record_before_is_kept(tmp_path):
    store, before = Store(tmp_path), record()
    run, result = made()
    store.put(run, result)
    path = store.path(run.id)
    path.write_bytes(path.read_bytes().replace(b'"seconds":2.0', b'"seconds":3.0'))
    found, (problem,) = gathered([verdict(runs=(run.id,))], store, {run.id: before})
    assert found == {run.id: before}
    assert "the entry is damaged" in problem


def test_labels_are_the_same_for_all_made_runs():
    assert record(0).labels_sha256 == record(1, checkpoint="other").labels_sha256
    assert len(LABELS) == N


def test_a_record_says_what_computed_it():
    assert (on_card().framework, on_card().device, on_card().on_card) == ("torch 2.15.0", "NVIDIA H100", True)
    assert (on_cpu().device, on_cpu().on_card) == ("cpu", False)
    assert (on_card().memory, on_card(device_memory=0).memory) == (20_000_000_000, 1000)


def test_a_learning_curve_is_kept_at_some_places_each_the_mean_of_the_steps_around_it():
    assert resampled([]) == resampled([1.0]) == ()
    assert resampled([1.0] * 1000) == (1.0,) * LOSSES
    short = resampled([2.0, 1.0, 0.5])
    assert (len(short), short[0], short[-1]) == (LOSSES, 2.0, 0.5)
    falling = resampled([float(k) for k in range(4000, 0, -1)])
    assert falling[0] == 3975  # the mean of the first 51 steps
    assert list(falling) == sorted(falling, reverse=True)
    assert record(loss_history=(3.0, 1.0)).losses[0] == 3.0
    assert run_record(*diverged()).losses == ()
