"""Stored runs become files of scores that `judge` reads, and only runs of one side go into one file."""

import dataclasses
import json

import numpy as np
import pytest

from harness.__main__ import main
from harness.core.result import Divergence, Result
from harness.runs.store import Store
from tests.core.test_run import run

LABELS = tuple(number % 10 for number in range(50))


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path))
    return tmp_path


def put(home, wrong, labels=LABELS, **changes):
    """Store a run that is wrong on its first examples and return its id."""
    of = run(**changes)
    predictions = tuple(label + (number < wrong) for number, label in enumerate(labels))
    Store(home).put(of, Result(of.id, predictions, labels, (0.5,), 1.5, 100.0, 1000, ()))
    return of.id


def call(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_an_export_holds_what_each_seed_got_right_and_judge_reads_it(home, capsys):
    a = [put(home, wrong, seed=seed) for seed, wrong in ((2, 5), (0, 3), (1, 4))]
    b = [put(home, wrong, seed=seed, recipe={"learning_rate": 0.01}) for seed, wrong in ((0, 9), (1, 8), (2, 9))]
    assert call(capsys, "export-scores", *a, "--out", "A.npz")[0] == 0
    code, out, _ = call(capsys, "export-scores", *b, "--out", "B.npz")
    assert code == 0
    assert "3 seeds x 50 examples" in out
    with np.load("A.npz", allow_pickle=False) as file:
        assert file["seeds"].tolist() == [0, 1, 2]
        assert file["run_ids"].tolist() == [a[1], a[2], a[0]]
        assert [np.flatnonzero(~row).tolist() for row in file["scores"]] == [list(range(n)) for n in (3, 4, 5)]
        assert file["scores"].dtype == bool
        assert not file["deterministic"]
    code, out, _ = call(capsys, "judge", "A.npz", "B.npz", "--json")
    assert code == 0
    assert json.loads(out)["estimate"] == pytest.approx((26 - 12) / 150)


def test_exports_on_other_labels_are_not_paired(home, capsys):
    a, b = put(home, 3), put(home, 3, labels=LABELS[::-1], recipe={"learning_rate": 0.01})
    call(capsys, "export-scores", a, "--out", "A.npz")
    call(capsys, "export-scores", b, "--out", "B.npz")
    code, _, err = call(capsys, "judge", "A.npz", "B.npz")
    assert code == 2
    assert "found runs with other labels" in err


def refused(capsys, words, *ids):
    code, out, err = call(capsys, "export-scores", *ids, "--out", "A.npz")
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_runs_of_two_sides_are_refused(home, capsys):
    one = put(home, 3)
    refused(
        capsys, "in their seed alone, found another recipe", one, put(home, 3, seed=1, recipe={"learning_rate": 0.01})
    )
    refused(capsys, "expected each seed once, found two runs with seed 0", one, one)
    refused(capsys, f"expected the labels of run {one}", one, put(home, 3, labels=LABELS[::-1], seed=1))


def test_what_is_not_stored_is_told(home, capsys):
    refused(capsys, "expected a stored result, found none", "0123456789abcdef")
    refused(capsys, "sixteen hex digits, found '../x'", "../x")
    of = run(seed=7)
    ended = Result(of.id, (), LABELS, (), 1.5, 100.0, 1000, (), diverged=Divergence(7, 0.1, (3, 1)))
    Store(home).put(of, dataclasses.replace(ended))
    refused(capsys, "expected predictions, found none", of.id)
