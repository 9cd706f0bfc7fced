"""Pre-training: resumed to the same bytes, and nothing written that has not converged."""

import json

import numpy as np
import pytest
import torch

from claims.micro import pretrain
from harness.catalog.checkpoint_files import file_of
from harness.catalog.checkpoints import checkpoints
from harness.core.errors import ClaimsError
from harness.core.paper import using
from harness.data.splits import batch_indices
from harness.models.npz_layout import describe, read
from tests.claims import PAPER

STEPS = 12


class Killed(Exception):
    pass


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(pretrain, "SAVE_EVERY", 5)
    monkeypatch.setattr(pretrain, "CONVERGED", 99.0)


def weights(tmp_path, name, kill_at=None):
    def progress(step, loss):
        if step == kill_at:
            raise Killed

    pretrain.pretrain(name, STEPS, tmp_path / "states", tmp_path / "out", progress)
    return (tmp_path / "out" / f"{name}.npz").read_bytes()


@pytest.mark.parametrize("name", ["vit-s", "bit-s", "hybrid-s"])
def test_a_resumed_pre_training_ends_in_the_same_bytes(tmp_path, name):
    uninterrupted = weights(tmp_path / "a", name)
    for kill_at in (6, 10):
        with pytest.raises(Killed):
            weights(tmp_path / "b", name, kill_at)
        assert not (tmp_path / "b" / "out").exists()
    torch.manual_seed(0)  # another random state of the process must not matter
    assert weights(tmp_path / "b", name) == uninterrupted


def test_an_under_trained_checkpoint_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrain, "CONVERGED", 0.5)
    with pytest.raises(
        ClaimsError, match=r"vit-s: expected a final upstream loss of at most 0.5, found 2\.\d+ after 12"
    ):
        weights(tmp_path, "vit-s")
    assert not (tmp_path / "out").exists()


def test_the_summary_grows_a_row_at_a_time(tmp_path, capsys):
    row = {"final_loss": 0.1, "held_out_accuracy": 99.0, "sha256": "a"}
    pretrain.record(tmp_path / "s.json", "vit-s", row)
    pretrain.record(tmp_path / "s.json", "bit-s", row)
    assert list(json.loads((tmp_path / "s.json").read_text())) == ["bit-s", "vit-s"]
    assert "vit-s: loss 0.1, held-out 99.0 %" in capsys.readouterr().out


def test_an_unknown_network_is_one_line():
    with pytest.raises(ClaimsError, match=r"unknown micro network 'vit-xl' \(did you mean 'vit-"):
        pretrain.main(["--only", "vit-xl"])


with using(PAPER):
    SHIPPED = [name for name in pretrain.NAMES if f"micro-{name}" in checkpoints()]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_files_are_in_the_official_layouts(name):
    arrays = read(file_of(checkpoints()[f"micro-{name}"]))
    network = pretrain.Network.parse(name)
    assert describe(arrays) == pretrain.architecture(network.family, network.corpus.classes)
    assert all(array.dtype == np.float32 for array in arrays.values())


def test_the_first_network_of_each_kind_keeps_its_seed_and_the_next_ones_have_seeds_of_their_own():
    seeds = {name: pretrain.Network.parse(name).seed for name in pretrain.NAMES}
    assert {seeds[name] for name in pretrain.FIRST} == {20201022}
    assert (seeds["vit-l-2"], seeds["bit-s-3"]) == (20201023, 20201024)
    assert len(pretrain.NAMES) == len(set(pretrain.NAMES)) == 9 + 2 * 6
    assert set(pretrain.FIRST) <= set(SHIPPED)


def test_another_upstream_seed_gives_other_weights_and_another_order_of_the_same_images(tmp_path, monkeypatch):
    seen = {}

    def loop(model, images, labels, steps, seed, state, progress):
        start = max(model.parameters(), key=lambda parameter: parameter.numel()).detach().numpy().copy()
        seen[seed] = (start, images.numpy().sum(), batch_indices(len(labels), 64, 0, seed))
        return [0.0]

    monkeypatch.setattr(pretrain, "loop", loop)
    rows = [pretrain.pretrain(name, 1, tmp_path, tmp_path, lambda step, loss: None) for name in ("vit-s", "vit-s-2")]
    (first, total, order), (second, same, other) = seen.values()
    assert [row["seed"] for row in rows] == list(seen) == [20201022, 20201023]
    assert not np.array_equal(first, second)
    assert total == same
    assert not np.array_equal(order, other)
    assert [row["held_out_images"] for row in rows] == [200, 200]
    assert (tmp_path / "vit-s-2.npz").exists()


def test_held_out_images_are_fresh():
    from claims.micro.fractals import CORPORA, generate

    corpus = CORPORA["S"]
    trained = {image.tobytes() for image in generate(corpus)[0]}
    fresh, labels = pretrain.held_out(corpus)
    assert np.bincount(labels).tolist() == [pretrain.HELD_OUT_PER_CLASS] * corpus.classes
    assert not trained & {image.tobytes() for image in fresh}
