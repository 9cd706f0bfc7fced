"""`run` on weights and images of a user's own: what they are now decides, and what is gone is said to be gone."""

import contextlib
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from harness.__main__ import main
from harness.catalog.checkpoint_files import file_of
from harness.catalog.checkpoints import checkpoint
from tests.cli.test_run import TABLES
from tests.data import making


def entry(epoch):
    """The entry with weights of an epoch, as far as both sets of weights agree with it."""
    lines = TABLES["checkpoints.toml"].replace("mine.npz", f"epoch{epoch}.npz").splitlines()
    return "\n".join(line for line in lines if not line.startswith("class"))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Tables with two sets of weights and images whose two classes differ."""
    own = tmp_path / "own"
    making.put(own / "checkpoints.toml", entry(10))
    making.put(own / "datasets.toml", TABLES["datasets.toml"])
    making.put(own / "recipes.toml", TABLES["recipes.toml"])
    for name, epoch in (("micro-vit-s", 10), ("micro-vit-m", 20)):
        shutil.copyfile(file_of(checkpoint(name)), own / f"epoch{epoch}.npz")
    for number in range(60):
        part = "train" if number < 40 else "test"
        making.put(own / "images" / part / f"class{number % 10}" / f"{number:02d}.png", making.png(number, 20, 24))
    monkeypatch.setenv("VIT_CLAIMS_TABLES", str(own))
    for name in ("HOME", "DATA", "CACHE"):
        monkeypatch.setenv(f"VIT_CLAIMS_{name}", str(tmp_path / name.lower()))
    monkeypatch.delenv("VIT_CLAIMS_WEIGHTS", raising=False)
    monkeypatch.setenv("VIT_CLAIMS_OFFLINE", "1")
    return own


def run(capsys, *arguments, code=0, weights="mine", images="photographs", recipe="quick"):
    command = ["run", "--checkpoint", str(weights), "--dataset", str(images), "--recipe", recipe, "--json"]
    capsys.readouterr()
    assert main([*command, *map(str, arguments)]) == code
    printed = capsys.readouterr()
    return json.loads(printed.out) if code == 0 else printed.err


def anew(found, before):
    """Whether a run was computed now, and is another than before."""
    return not found["cached"] and found["run_id"] != before["run_id"]


def test_an_entry_that_names_another_file_is_another_run_also_when_the_old_one_is_gone(folder, capsys):
    first = run(capsys)
    assert run(capsys)["cached"]
    making.put(folder / "checkpoints.toml", entry(20))
    second = run(capsys)
    assert anew(second, first)
    (folder / "epoch10.npz").unlink()
    assert run(capsys)["run_id"] == second["run_id"]


@pytest.mark.parametrize("same_times", [False, True])
def test_weights_trained_anew_over_the_same_file_are_another_run(folder, capsys, same_times):
    first = run(capsys)
    path = folder / "epoch10.npz"
    before = path.stat()
    arrays = dict(np.load(path))
    arrays["cls"] = arrays["cls"] + 1
    np.savez(folder / "new.npz", **arrays)
    path.write_bytes((folder / "new.npz").read_bytes())
    if same_times:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert anew(run(capsys), first)


def swapped(folder):
    one, two = (folder / "images" / "test" / name for name in ("class0", "class1"))
    one.rename(folder / "aside")
    two.rename(one)
    (folder / "aside").rename(two)


def label_fixed(folder):
    (folder / "images/test/class3/43.png").rename(folder / "images/test/class4/43.png")
    (folder / "images/test/class4/44.png").rename(folder / "images/test/class3/44.png")


def image_changed_in_place(folder):
    path = folder / "images/test/class3/43.png"
    before = path.stat()
    path.write_bytes(making.png(99, 20, 24))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def image_added(folder):
    making.put(folder / "images/test/class3/99.png", making.png(99, 20, 24))


@pytest.mark.parametrize("change", [swapped, label_fixed, image_changed_in_place, image_added])
def test_images_that_change_are_another_run(folder, capsys, change):
    first = run(capsys)
    change(folder)
    second = run(capsys)
    assert anew(second, first)
    assert second["n"] == 20 + (change is image_added)
    assert run(capsys) == second | {"cached": True}


def test_another_path_in_the_entry_is_looked_at(folder, capsys):
    first = run(capsys)
    shutil.copytree(folder / "images", folder / "others")
    making.put(folder / "others/test/class0/40.png", making.png(77, 20, 24))
    making.put(folder / "datasets.toml", TABLES["datasets.toml"].replace('"images"', '"others"'))
    assert anew(run(capsys), first)
    making.put(folder / "datasets.toml", TABLES["datasets.toml"])
    assert run(capsys) == first | {"cached": True}


def test_fewer_images_than_the_entry_says_are_refused(folder, capsys):
    (folder / "images/test/class3/43.png").unlink()
    told = run(capsys, code=2)
    assert "photographs: expected 20 test images, found 19" in told
    assert "correct its entry" in told


@pytest.mark.parametrize("gone", ["weights", "images"])
def test_what_is_gone_is_said_and_the_stored_result_given_only_when_asked_for(folder, capsys, gone):
    first = run(capsys)
    place = folder / ("epoch10.npz" if gone == "weights" else "images")
    place.rename(folder / "elsewhere")
    told = run(capsys, code=2)
    assert told.count("\n") == 1
    assert f"{place}, found no such" in told
    assert f"--stored gives the result of {first['computed']}" in told
    assert run(capsys, "--stored") == first | {"cached": True}
    # Another question was never answered.
    assert "--stored gives" not in run(capsys, "--seed", 1, code=2)
    assert "found no such" in run(capsys, "--seed", 1, "--stored", code=2)
    (folder / "elsewhere").rename(place)
    assert run(capsys)["cached"]


def test_the_stored_result_says_when_and_from_what_it_was_computed(folder, capsys):
    first = run(capsys)
    (folder / "epoch10.npz").unlink()
    assert main(["run", "--checkpoint", "mine", "--dataset", "photographs", "--recipe", "quick", "--stored"]) == 0
    printed = capsys.readouterr().out
    assert f"computed {first['computed']} with weights of sha256 {first['checkpoint_sha256']}" in printed
    assert first["dataset_sha256"] in printed


def test_stored_alone_computes_nothing(capsys, tmp_path):
    told = run(capsys, "--stored", code=2)
    assert "expected a stored result" in told
    assert "leave out --stored to compute it" in told
    assert not list((tmp_path / "home").rglob("runs/*/*.json"))


def test_a_seed_beyond_the_generators_is_refused_in_one_line(capsys):
    told = run(capsys, "--seed", 2**63, code=2)
    assert told.count("\n") == 1
    assert "seed" in told
    assert str(2**63) in told
    assert run(capsys, "--seed", 2**63 - 1)["n"] == 20


def test_the_version_is_printed(capsys):
    with contextlib.suppress(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.startswith("vit-claims 0.")


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_shown_on_a_terminal_and_nowhere_else(folder, terminal):
    command = [sys.executable, "-m", "harness", "run", "--checkpoint", "mine", "--dataset", "photographs"]
    ours, theirs = os.openpty() if terminal else os.pipe()
    done = subprocess.Popen([*command, "--recipe", "quick"], stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # a terminal ends so
        while part := os.read(ours, 4096):
            shown += part
    os.close(ours)
    assert b"top-1 accuracy" in done.communicate()[0]
    assert (b"loss " in shown) is terminal
    assert (b"predicting: 100%" in shown) is terminal
    assert shown == b"" or terminal
