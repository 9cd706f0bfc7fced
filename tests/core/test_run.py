"""A run's id hashes what determines the outcome and nothing else."""

import dataclasses

import pytest
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from harness.core.run import NOT_IDENTITY, NUMERICS, Run, identity
from harness.core.specs import Checkpoint, Dataset, Recipe, build
from tests.core.test_specs import LEAST_SQUARES, RECIPE

CHECKPOINT = {
    "id": "tiny",
    "family": "vit",
    "architecture": "ViT-L/16",
    "pretrained_on": "ImageNet-21k",
    "layout": "vit-npz",
    "file": "tiny.npz",
    "sha256": "a" * 64,
    "size": 10,
}
DATASET = {
    "id": "d",
    "classes": 10,
    "train": 100,
    "test": 50,
    "reader": "digits",
    "sha256": "b" * 64,
    "dev_fraction": 0.2,
}


def run(checkpoint=(), dataset=(), recipe=(), **changed):
    parts = {
        "checkpoint": build(Checkpoint, CHECKPOINT | dict(checkpoint), "test"),
        "dataset": build(Dataset, DATASET | dict(dataset), "test"),
        "recipe": build(Recipe, RECIPE | dict(recipe), "test"),
        "seed": 0,
    }
    return Run(**parts | changed)


def test_a_known_run_has_a_known_id():
    # Computed by hand from the canonical JSON of the fields that are not at their defaults:
    # printf '%s' "$JSON" | sha256sum, first 16 digits.
    canonical = (
        '{"backend":"torch","checkpoint":{"layout":"vit-npz","sha256":"' + "a" * 64 + '"},"dataset":{"classes":10,'
        '"sha256":"' + "b" * 64 + '","test":50,"train":100},"numerics":1,"recipe":{"batch_size":32,'
        '"learning_rate":0.03,"resolution":32,"steps":60},"seed":0}'
    )
    import hashlib

    assert hashlib.sha256(canonical.encode()).hexdigest()[:16] == "82985f3c8363b7bc"
    assert run().id == "82985f3c8363b7bc"


@pytest.mark.parametrize(
    "changed",
    [
        {"checkpoint": {"sha256": "c" * 64}},
        {"checkpoint": {"layout": "bit-npz"}},
        {"dataset": {"sha256": "c" * 64}},
        {"dataset": {"classes": 11}},
        {"dataset": {"train": 101}},
        {"dataset": {"test": 51}},
        {"dataset": {"shots": 5}},
        {"recipe": {"steps": 61}},
        {"recipe": {"batch_size": 33}},
        {"recipe": {"learning_rate": 0.01}},
        {"recipe": {"resolution": 64}},
        {"recipe": {"warmup_steps": 1}},
        {"recipe": {"momentum": 0.8}},
        {"recipe": {"clip_norm": 2.0}},
        {"recipe": {"clip_norm": None}},
        {"recipe": {"momentum_dtype": "bfloat16"}},
        {"recipe": {"weight_decay": 0.1}},
        {"recipe": {"schedule": "constant"}},
        {"recipe": {"schedule": "staircase", "decay_at": (30,)}},
        {"recipe": {"crop": "inception"}},
        {"recipe": {"crop": "random", "train_resize": 40}},
        {"recipe": {"flip": True}},
        {"recipe": {"mixup": 0.1}},
        {"recipe": {"dropout": 0.1}},
        {"recipe": {"head": "library"}},
        {"recipe": {"polyak": 0.9999}},
        {"recipe": {"precision": "bfloat16"}},
        {"recipe": {"trains_on": "all but dev"}},
        {"recipe": {"test_resolution": 48}},
        {"recipe": {"test_resize": "short side", "test_crop_share": 0.9}},
        {"recipe": {"test_interpolation": "bicubic", "test_antialias": True}},
        {"recipe": {"mean": 0.4}},
        {"recipe": {"std": 0.4}},
        {"recipe": LEAST_SQUARES},
        {"backend": "jax"},
        {"seed": 1},
        {"split": "dev"},
    ],
    ids=str,
)
def test_what_determines_the_outcome_changes_the_id(changed):
    assert run(**changed).id != run().id


@pytest.mark.parametrize(
    "changed",
    [
        {"checkpoint": {"id": "other", "file": "elsewhere.npz", "citation": "someone", "size": 11, "resolution": 384}},
        {"dataset": {"id": "other", "title": "t", "citation": "someone", "reader": "count"}},
        {"recipe": {"id": "other", "sources": {"steps": "someone"}, "learning_rates": "table.json"}},
        {"recipe": {"learning_rate_grid": (0.01, 0.03)}},
        {"recipe": {"momentum": 0.9, "clip_norm": 1.0, "warmup_steps": 0}},
    ],
    ids=str,
)
def test_names_citations_and_defaults_do_not_change_the_id(changed):
    assert run(**changed).id == run().id


@pytest.mark.parametrize("changed", [{"shots": 10}, {"shots": None}, {"l2": 2.0}], ids=str)
def test_shots_and_l2_change_the_id_of_least_squares(changed):
    assert run(recipe=LEAST_SQUARES | changed).id != run(recipe=LEAST_SQUARES).id


def test_least_squares_is_frozen_but_no_evaluation():
    fitted, scored = run(recipe=LEAST_SQUARES), run(recipe={"steps": 0})
    assert (fitted.recipe.frozen, fitted.recipe.evaluates_only) == (True, False)
    assert (scored.recipe.frozen, scored.recipe.evaluates_only) == (True, True)
    assert (run().recipe.frozen, run().recipe.evaluates_only) == (False, False)
    run(recipe=LEAST_SQUARES, split="dev")
    with pytest.raises(ValueError, match="expected a recipe that trains for a run on the dev split"):
        run(recipe={"steps": 0}, split="dev")
    with pytest.raises(ValueError, match="expected a recipe that only evaluates d, found r"):
        run(recipe=LEAST_SQUARES, dataset={"train": 0})
    with pytest.raises(ValueError, match="expected outputs only where a head is kept"):
        run(recipe=LEAST_SQUARES, outputs=tuple(range(10)))


def test_the_dev_fraction_is_part_of_dev_runs_only():
    other = {"dev_fraction": 0.1}
    assert run(dataset=other).id == run().id
    assert run(dataset=other, split="dev").id != run(split="dev").id
    kept = {"trains_on": "all but dev"}
    assert run(dataset=other, recipe=kept).id != run(recipe=kept).id


def test_every_field_is_either_identity_or_named_as_not():
    for kind, values in ((Checkpoint, CHECKPOINT), (Dataset, DATASET), (Recipe, RECIPE)):
        given = identity(build(kind, values, "test"))
        for field in dataclasses.fields(kind):
            at_default = field.name not in values
            assert (field.name in given) != (field.name in NOT_IDENTITY[kind] or at_default), field.name


def test_the_numerics_version_changes_the_id(monkeypatch):
    before = run().id
    monkeypatch.setitem(NUMERICS, "torch", NUMERICS["torch"] + 1)
    assert run().id != before


def test_a_new_optional_field_at_its_default_changes_no_id():
    @dataclass(frozen=True, config=ConfigDict(extra="forbid"))
    class LaterRecipe(Recipe):
        later: float = 0.0

    later = build(LaterRecipe, RECIPE, "test")
    assert identity(later) == identity(build(Recipe, RECIPE, "test"))
    assert "later" in identity(build(LaterRecipe, RECIPE | {"later": 0.1}, "test"))


def test_a_run_needs_the_digest_of_its_weights():
    with pytest.raises(ValueError, match="expected tiny with its digest, found none; fetch it first"):
        run(checkpoint={"sha256": None})


def test_specs_are_frozen_and_hashable():
    assert {run(), run()} == {run()}
    with pytest.raises(dataclasses.FrozenInstanceError):
        run().seed = 3


@pytest.mark.parametrize(
    "recipe", [{"learning_rate": None, "learning_rate_grid": (0.1,)}, {"steps": None, "epochs": 2}]
)
def test_a_run_needs_a_resolved_recipe(recipe):
    with pytest.raises(ValueError, match="expected recipe r with steps and a learning rate, found it unresolved"):
        run(recipe=recipe)
