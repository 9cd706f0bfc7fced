import json

import pytest

from harness.report.model_files import model_accuracies, write_models
from harness.report.run_records import run_record
from tests.report.run_making import diverged, record, records
from tests.report.samples import verdict


def judged(runs, source="gpu/paper", **changes):
    return verdict(source=source, runs=tuple(runs), citations=(), **changes)


def test_a_file_has_the_mean_accuracy_on_each_dataset_as_the_course_s_files(tmp_path):
    runs = records(range(2), lambda seed: range(seed + 1)) | records([0], lambda seed: range(10), dataset="more")
    write_models(tmp_path, [judged(runs)], runs)
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("gpu-paper_net_")
    assert json.loads(path.read_text()) == {"more": 95.0, "pics": pytest.approx(100 * (199 + 198) / 400)}


def test_each_source_and_checkpoint_has_a_file():
    runs = records([0], lambda seed: ()) | records([0], lambda seed: (), checkpoint="big")
    found = model_accuracies([judged(runs), judged(runs, source="gpu/paper@jax")], runs)
    assert [(one.source, one.checkpoint) for one in found] == [
        ("gpu/paper", "big"),
        ("gpu/paper", "net"),
        ("gpu/paper@jax", "big"),
        ("gpu/paper@jax", "net"),
    ]


def test_other_runs_never_overwrite_an_earlier_file(tmp_path):
    for wrong in ((), (1,), (2,), (1,)):
        runs = records([0], lambda seed, wrong=wrong: wrong)
        write_models(tmp_path, [judged(runs)], runs)
    values = sorted(json.loads(path.read_text())["pics"] for path in tmp_path.iterdir())
    assert values == [99.5, 99.5, 100.0]


def test_a_file_that_is_there_is_left_alone(tmp_path):
    runs = records([0], lambda seed: ())
    write_models(tmp_path, [judged(runs)], runs)
    (path,) = tmp_path.iterdir()
    path.write_text("mine")
    write_models(tmp_path, [judged(runs)], runs)
    assert path.read_text() == "mine"


def test_few_shot_evaluation_stands_apart_from_fine_tuning():
    few = {"method": "least squares", "steps": 0, "learning_rate": None, "shots": 5, "l2": 1.0}
    runs = records([0], lambda seed: ()) | records([0], lambda seed: range(100), recipe=few)
    (found,) = model_accuracies([judged(runs)], runs)
    assert found.accuracies == {"pics": 100.0, "pics, 5 shots": 50.0}


def test_what_diverged_specification_curves_and_agreement_are_left_out():
    gone = run_record(*diverged())
    assert model_accuracies([judged([gone.id])], {gone.id: gone}) == []
    runs = {one.id: one for one in [record()]}
    assert model_accuracies([judged(runs, kind="Robust")], runs) == []
    assert model_accuracies([judged(runs, source="gpu/paper@both")], runs) == []
    assert model_accuracies([judged(["0" * 16])], runs) == []
