"""Specs are strict, and a run's id hashes what determines the outcome and nothing else."""

import dataclasses

import pytest
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from harness.core import specs
from harness.core.errors import ClaimsError
from harness.core.specs import Checkpoint, Dataset, Recipe, Result, Run, build, identity

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
RECIPE = {"id": "r", "steps": 60, "batch_size": 32, "learning_rate": 0.03, "resolution": 32}
LEAST_SQUARES = {"method": "least squares", "steps": 0, "learning_rate": None, "shots": 5, "l2": 1.0}


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
            assert (field.name in given) != (field.name in specs.NOT_IDENTITY[kind] or at_default), field.name


def test_the_numerics_version_changes_the_id(monkeypatch):
    before = run().id
    monkeypatch.setitem(specs.NUMERICS, "torch", specs.NUMERICS["torch"] + 1)
    assert run().id != before


def test_a_new_optional_field_at_its_default_changes_no_id():
    @dataclass(frozen=True, config=ConfigDict(extra="forbid"))
    class LaterRecipe(Recipe):
        later: float = 0.0

    later = build(LaterRecipe, RECIPE, "test")
    assert identity(later) == identity(build(Recipe, RECIPE, "test"))
    assert "later" in identity(build(LaterRecipe, RECIPE | {"later": 0.1}, "test"))


@pytest.mark.parametrize(
    "values, message",
    [
        (
            RECIPE | {"batchsize": 3},
            r"^f\.toml \[r\]: unknown key 'batchsize' \(did you mean 'batch_size'\?\); expected keys: id, batch_size",
        ),
        ({"id": "r"}, r"^f\.toml \[r\]: key 'batch_size' is missing; add it$"),
        (RECIPE | {"steps": -1}, r"^f\.toml \[r\]: steps: Input should be greater than or equal to 0, found -1$"),
        (RECIPE | {"steps": None}, r"expected either steps or epochs"),
        (RECIPE | {"epochs": 3}, r"expected either steps or epochs"),
        (RECIPE | {"learning_rate": None}, r"expected learning_rate or learning_rate_grid"),
        (RECIPE | {"schedule": "staircase"}, r"a staircase needs decay_at"),
        (RECIPE | {"crop": "random"}, r"a random crop needs train_resize"),
        (RECIPE | {"crop": "random", "train_resize": 16}, r"expected train_resize of at least the resolution 32"),
        (RECIPE | {"method": "least squares", "l2": 1.0}, r"expected steps = 0 and l2 for the method least squares"),
        (RECIPE | LEAST_SQUARES | {"l2": None}, r"expected steps = 0 and l2 for the method least squares"),
        (RECIPE | {"shots": 5}, r'expected shots and l2 only for the method "least squares"'),
        (RECIPE | {"steps": 0, "l2": 1.0}, r'expected shots and l2 only for the method "least squares"'),
        (RECIPE | LEAST_SQUARES | {"l2": 0.0}, r"l2: Input should be greater than 0, found 0.0"),
        (RECIPE | {"sources": {"step": "x"}}, r"sources cites 'step' \(did you mean 'steps'\?\), which is no field"),
    ],
)
def test_bad_values_are_one_line(values, message):
    with pytest.raises(ClaimsError, match=message) as caught:
        build(Recipe, values, "f.toml [r]")
    assert "\n" not in str(caught.value)


def test_a_run_needs_the_digest_of_its_weights():
    with pytest.raises(ValueError, match="expected tiny with its digest, found none; fetch it first"):
        run(checkpoint={"sha256": None})


def test_specs_are_frozen_and_hashable():
    assert {run(), run()} == {run()}
    with pytest.raises(dataclasses.FrozenInstanceError):
        run().seed = 3


def result(predictions, labels):
    return Result("id", predictions, labels, (0.1,), 1.0, 2.0, 3, (("python", "3"),))


def test_accuracy_is_from_integer_counts():
    assert result((1, 2, 3), (1, 2, 4)).correct == 2
    assert result((1, 2, 3), (1, 2, 4)).accuracy == pytest.approx(200 / 3)
    assert result((1,), (1,)).predictions_sha256 == "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"


@pytest.mark.parametrize("predictions, labels", [((1,), (1, 2)), ((), ())])
def test_a_result_has_one_prediction_for_each_label(predictions, labels):
    with pytest.raises(ClaimsError, match="expected one prediction for each label"):
        result(predictions, labels)


@pytest.mark.parametrize(
    "recipe", [{"learning_rate": None, "learning_rate_grid": (0.1,)}, {"steps": None, "epochs": 2}]
)
def test_a_run_needs_a_resolved_recipe(recipe):
    with pytest.raises(ValueError, match="expected recipe r with steps and a learning rate, found it unresolved"):
        run(recipe=recipe)


def test_a_diverged_result_has_no_accuracy():
    from harness.core.specs import Divergence

    result = Result("r", (), (1, 2), (0.5,), 1.0, 1.0, 1, (), diverged=Divergence(1, 0.5, (3, 4)))
    assert result.correct == 0
    with pytest.raises(ClaimsError, match=r"expected predictions, found none: the loss was not finite at step 1"):
        _ = result.accuracy
