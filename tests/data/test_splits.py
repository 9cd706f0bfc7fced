"""Splits by rule: nothing is lost, nothing leaks, and the order of examples is a function of the step."""

import numpy as np
import pytest

from harness.core.errors import ClaimsError
from harness.core.run import Run
from harness.core.specs import Checkpoint, Dataset, Recipe
from harness.data.splits import Data, Split, batch_indices, dev_split, few_shot, select

LABELS = np.repeat(np.arange(4), 25)
LEAST_SQUARES = {"method": "least squares", "steps": 0, "learning_rate": None, "l2": 1.0}


def dataset(**changed):
    values = {
        "id": "d",
        "classes": 4,
        "train": 100,
        "test": 8,
        "reader": "digits",
        "sha256": "b" * 64,
        "dev_fraction": 0.2,
    }
    return Dataset(**values | changed)


def run(seed=0, split="test", shots=None, shots_drawn=None, **recipe):
    weights = Checkpoint("c", "vit", "ViT-L/16", "ImageNet-21k", "vit-npz", file="c.npz", sha256="a" * 64)
    how = Recipe(id="r", batch_size=8, resolution=32, shots=shots_drawn, **{"steps": 10, "learning_rate": 0.1} | recipe)
    return Run(weights, dataset(shots=shots), how, seed, split=split)


def data():
    # Each training image is its own number, so that examples can be told apart.
    images = np.arange(100, dtype=np.uint8).reshape(100, 1, 1)
    return Data(Split(images, LABELS), Split(np.full((8, 1, 1), 200, np.uint8), np.arange(8) % 4))


def test_dev_split_is_a_partition_of_the_stated_size():
    kept, held = dev_split(100, 0.2)
    assert len(held) == 20
    assert sorted([*kept, *held]) == list(range(100))


def test_few_shot_draws_so_many_of_each_class_and_other_ones_for_another_seed():
    chosen = few_shot(LABELS, 5, seed=0)
    assert np.bincount(LABELS[chosen]).tolist() == [5, 5, 5, 5]
    assert len(set(chosen)) == 20
    assert set(chosen) != set(few_shot(LABELS, 5, seed=1))


def test_few_shot_needs_enough_examples():
    with pytest.raises(ClaimsError, match="at least 26 training examples of class 0, found 25"):
        few_shot(LABELS, 26, seed=0)


def test_a_recipe_draws_shots_by_seed_and_fewer_are_among_more():
    drawn = {
        (shots, seed): set(select(data(), run(seed, **LEAST_SQUARES, shots_drawn=shots)).train.array().ravel().tolist())
        for shots in (1, 5)
        for seed in (0, 1)
    }
    assert [len(drawn[shots, 0]) for shots in (1, 5)] == [4, 20]
    assert drawn[1, 0] < drawn[5, 0]
    assert drawn[5, 0] != drawn[5, 1]
    held = set(select(data(), run(split="dev", **LEAST_SQUARES, shots_drawn=5)).train.array().ravel().tolist())
    assert not held & set(dev_split(100, 0.2)[1].tolist())
    assert len(select(data(), run(**LEAST_SQUARES)).train) == 100
    assert len(select(data(), run(shots=7, **LEAST_SQUARES, shots_drawn=5)).train) == 20
    with pytest.raises(ClaimsError, match="at least 5 training examples of class 0, found 3"):
        select(data(), run(shots=3, **LEAST_SQUARES, shots_drawn=5))


def test_test_runs_train_on_everything_and_score_the_test_set():
    whole = data()
    chosen = select(whole, run())
    assert chosen.train is whole.train
    assert chosen.test is whole.test


def test_a_final_run_may_leave_the_dev_split_out_and_scores_the_test_set_all_the_same():
    kept, held = dev_split(100, 0.2)
    chosen = select(data(), run(trains_on="all but dev"))
    assert chosen.train.array().ravel().tolist() == kept.tolist()
    assert not set(chosen.train.array().ravel()) & set(held)
    assert (chosen.test.array() == 200).all()
    # On the dev split nothing changes: it never trains on what it is scored on.
    for trains_on in ("all", "all but dev"):
        chosen = select(data(), run(split="dev", trains_on=trains_on))
        assert chosen.train.array().ravel().tolist() == kept.tolist()
        assert chosen.test.array().ravel().tolist() == held.tolist()


def test_an_evaluation_trains_on_nothing():
    chosen = select(data(), run(steps=0, learning_rate=None))
    assert (len(chosen.train), len(chosen.test)) == (0, 8)
    assert chosen.train.array().shape == (0, 1, 1)


def test_images_stay_where_they_are_and_labels_follow_them():
    whole = data()
    chosen = select(whole, run(shots=5, trains_on="all but dev"))
    assert chosen.train.images is whole.train.images
    assert chosen.train.labels.tolist() == LABELS[chosen.train.array().ravel()].tolist()
    assert np.bincount(chosen.train.labels).tolist() == [5, 5, 5, 5]


@pytest.mark.parametrize("shots", [None, 5])
def test_choices_never_see_the_test_set_nor_train_on_what_they_are_scored_on(shots):
    for seed in range(5):
        chosen = select(data(), run(seed, "dev", shots))
        trained, scored = set(chosen.train.array().ravel()), set(chosen.test.array().ravel())
        assert 200 not in scored
        assert not trained & scored
        assert len(scored) == 20
        assert len(trained) == (80 if shots is None else 20)


def test_batches_are_epochs_end_to_end():
    stream = np.concatenate([batch_indices(10, 4, step, seed=3) for step in range(5)])
    assert np.array_equal(np.sort(stream[:10]), np.arange(10))
    assert np.array_equal(np.sort(stream[10:]), np.arange(10))
    assert not np.array_equal(stream[:10], stream[10:])


def test_a_batch_may_be_larger_than_the_training_set():
    batch = batch_indices(3, 8, 1, seed=0)
    stream = np.concatenate([batch_indices(3, 1, step, seed=0) for step in range(16)])
    assert np.array_equal(batch, stream[8:16])
