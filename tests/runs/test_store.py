"""Results on disk: whole or not at all, found again, and damage is noticed."""

import dataclasses
import json
import multiprocessing
import os
import re
from pathlib import Path

import pytest

from harness.core.errors import ClaimsError
from harness.core.result import Divergence, Result
from harness.runs.store import Busy, Store
from tests.core.test_run import run

RUN = run()


def result(of=RUN, n=50):
    return Result(of.id, tuple(range(n)), tuple(range(n)), (0.5, 0.25), 1.5, 100.0, 1000, (("python", "3"),))


def test_what_is_put_is_got(tmp_path):
    store = Store(tmp_path)
    assert store.get(RUN) is None
    store.put(RUN, result())
    assert store.get(RUN) == result()
    assert store.get(run(seed=1)) is None


def test_only_the_whole_test_set_is_stored(tmp_path):
    with pytest.raises(ClaimsError, match="expected 50 scored examples, found 49; nothing was stored"):
        Store(tmp_path).put(RUN, result(n=49))
    dev = run(split="dev")
    Store(tmp_path).put(dev, result(dev, n=20))
    with pytest.raises(ClaimsError, match="expected 20 scored examples"):
        Store(tmp_path).put(dev, result(dev, n=50))


def test_a_run_that_diverged_has_no_predictions_and_is_stored(tmp_path):
    ended = dataclasses.replace(result(), predictions=(), diverged=Divergence(7, 0.1, (3, 1)))
    store = Store(tmp_path)
    store.put(RUN, ended)
    assert store.get(RUN) == ended


def test_a_final_run_without_the_dev_split_scores_the_test_set(tmp_path):
    without = run(recipe={"trains_on": "all but dev"})
    Store(tmp_path).put(without, result(without))
    with pytest.raises(ClaimsError, match="expected 50 scored examples, found 20"):
        Store(tmp_path).put(without, result(without, n=20))


def test_a_result_of_another_run_is_refused(tmp_path):
    with pytest.raises(ClaimsError, match=f"expected the result of run {RUN.id}"):
        Store(tmp_path).put(RUN, result(run(seed=1)))


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda text: text[: len(text) // 2], "found damaged JSON"),
        (lambda text: text.replace('"predictions":[0,1,', '"predictions":[1,1,'), "the entry is damaged"),
        (lambda text: text.replace('"format":1', '"format":99'), "expected format 1, found 99"),
        (lambda text: "", "found damaged JSON"),
        (lambda text: "[]", "found damaged JSON"),
    ],
    ids=["truncated", "flipped", "other format", "empty", "no object"],
)
def test_damage_is_said_moved_aside_and_computed_again(tmp_path, capsys, damage, message):
    store = Store(tmp_path)
    store.put(RUN, result())
    path = store.path(RUN.id)
    damaged = damage(path.read_text())
    path.write_text(damaged)
    assert store.get(RUN) is None
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    aside = re.search(r"moved aside to (\S+),", said)[1]
    assert Path(aside).read_text() == damaged
    assert not path.exists()
    store.put(RUN, result())
    assert store.get(RUN) == result()


def test_an_entry_of_another_run_under_this_name_is_damage(tmp_path, capsys):
    store = Store(tmp_path)
    other = run(seed=1)
    store.put(other, result(other))
    store.path(RUN.id).parent.mkdir(parents=True, exist_ok=True)
    store.path(other.id).rename(store.path(RUN.id))
    assert store.get(RUN) is None
    assert f"expected the result of run {RUN.id}, found {other.id}" in capsys.readouterr().err


@pytest.mark.parametrize("fails", ["write", "fsync", "replace"])
def test_a_full_disk_stores_nothing_and_says_so(tmp_path, monkeypatch, fails):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    store = Store(tmp_path)
    if fails == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    elif fails == "replace":
        monkeypatch.setattr("pathlib.Path.replace", full)
    else:
        monkeypatch.setattr("tempfile.NamedTemporaryFile", full)
    with pytest.raises(ClaimsError, match="No space left on device; nothing was stored, free some space") as caught:
        store.put(RUN, result())
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def hold(home, locked, release):
    with Store(home).lock(RUN):
        locked.set()
        release.wait(30)


def test_one_process_at_a_time_and_a_dead_holder_lets_go(tmp_path):
    context = multiprocessing.get_context("spawn")
    locked, release = context.Event(), context.Event()
    holder = context.Process(target=hold, args=(tmp_path, locked, release))
    holder.start()
    assert locked.wait(60)
    with pytest.raises(Busy), Store(tmp_path).lock(RUN):
        pass
    with Store(tmp_path).lock(run(seed=1)):
        pass
    holder.kill()
    holder.join()
    with Store(tmp_path).lock(RUN):
        pass


def test_the_entry_says_in_words_what_the_run_was(tmp_path):
    store = Store(tmp_path)
    store.put(RUN, result())
    entry = json.loads(store.path(RUN.id).read_text())
    assert entry["run"]["checkpoint"]["architecture"] == "ViT-L/16"
    assert entry["run"]["recipe"]["steps"] == 60
