"""The recipes of the ViT paper: every value is what its source says."""

import dataclasses

import pytest

from harness.catalog.checkpoint_files import file_of
from harness.catalog.checkpoints import checkpoints, shipped
from harness.catalog.datasets import dataset as micro_task
from harness.catalog.recipe_layers import FIELDS
from harness.catalog.recipes import (
    LEAST_SQUARES,
    all_definitions,
    protocol,
    protocols,
    recipe,
    recipe_used,
    recipes,
    resolve,
    with_rate,
)
from harness.core.paper import paper, using
from harness.core.run import Run
from harness.data.splits import dev_split
from harness.evidence.micro.proxies import proxies
from tests.catalog.test_recipes import dataset, resolved
from tests.claims import PAPER

with using(PAPER):
    DEFINITIONS, RECIPES = all_definitions(), recipes()
VIT, BIT, HYBRID = "vit-l16-in21k", "bit-m-r152x4", "hybrid-r50-b16-in21k"
REST = (0.001, 0.003, 0.01, 0.03)
# REFERENCE, "Recipes side by side", and the sources it names: (recipe, checkpoint, dataset) -> values.
GOLDEN = {
    ("paper", VIT, "imagenet-train"): {
        **{"batch_size": 512, "steps": 20_000, "learning_rate_grid": (0.003, 0.01, 0.03, 0.06), "learning_rate": None},
        **{"schedule": "cosine", "clip_norm": 1.0, "weight_decay": 0.0, "momentum": 0.9, "head": "zero"},
        **{"resolution": 512, "polyak": 0.9999, "trains_on": "all", "mean": 0.5, "std": 0.5, "mixup": 0.0},
    },
    ("paper", "vit-h14-in21k", "imagenet-train"): {"resolution": 518, "polyak": 0.9999},
    ("paper", "vit-b16-in21k", "imagenet-train"): {"resolution": 384, "polyak": None, "dropout": 0.0},
    ("paper", VIT, "cifar10"): {"steps": 10_000, "learning_rate_grid": REST, "resolution": 384, "polyak": None},
    ("paper", HYBRID, "cifar100"): {"steps": 10_000, "learning_rate_grid": REST, "dropout": 0.1},
    ("paper", VIT, "pets"): {"steps": 500, "learning_rate_grid": REST, "warmup_steps": 100},
    ("paper", VIT, "flowers"): {"steps": 500, "learning_rate_grid": REST},
    ("paper", VIT, "vtab-dtd"): {"steps": 2500, "learning_rate": 0.01, "learning_rate_grid": (), "resolution": 384},
    ("paper", VIT, "vtab-dsprites-location"): {"steps": 2500, "flip": False, "crop": "none", "train_resize": None},
    ("bit-hyperrule", BIT, "vtab-dsprites-location"): {"crop": "none", "resolution": 128, "train_resize": None},
    ("paper", VIT, "vtab-smallnorb-azimuth"): {"flip": False, "crop": "random", "resolution": 384},
    ("bit-hyperrule", BIT, "vtab-dsprites-orientation"): {"flip": False, "crop": "random", "train_resize": 160},
    ("paper", VIT, "vtab-smallnorb-elevation"): {"flip": True, "crop": "random", "learning_rate": 0.01},
    ("code", VIT, "cifar10"): {
        **{"batch_size": 512, "steps": 10_000, "learning_rate": 0.03, "warmup_steps": 500, "schedule": "cosine"},
        **{"momentum_dtype": "bfloat16", "clip_norm": 1.0, "resolution": 384, "side": 384, "crop": "inception"},
        **{"flip": True, "dropout": 0.1, "head": "zero", "trains_on": "all but dev", "test_resize": "square"},
    },
    ("code", "vit-b16-in21k", "cifar10"): {"learning_rate": 0.01, "dropout": 0.0},
    ("code", "vit-b16-in21k", "cifar100"): {"learning_rate": 0.03},
    ("code", "vit-l32-in21k", "cifar10"): {"dropout": 0.0, "learning_rate": 0.03},
    ("code", "vit-b32-in21k", "imagenet-train"): {"steps": 20_000, "dropout": 0.0},
    ("code", "vit-h14-in21k", "imagenet-train"): {"steps": 20_000, "dropout": 0.1},
    ("code", VIT, "pets"): {"steps": 500, "warmup_steps": 100},
    ("bit-hyperrule", BIT, "cifar10"): {
        **{"batch_size": 512, "steps": 10_000, "learning_rate": 0.003, "schedule": "staircase", "warmup_steps": 500},
        **{"decay_at": (3000, 6000, 9000), "clip_norm": None, "mixup": 0.1, "train_resize": 160, "resolution": 128},
        **{"crop": "random", "flip": True, "head": "zero", "side": 128, "test_resize": "square", "momentum": 0.9},
    },
    ("bit-hyperrule", BIT, "pets"): {
        **{"steps": 500, "warmup_steps": 100, "decay_at": (200, 300, 400), "mixup": 0.0},
        **{"train_resize": 512, "resolution": 480},
    },
    ("bit-hyperrule", "bit-m-r50x1", "imagenet-train"): {
        **{"steps": 20_000, "warmup_steps": 500, "decay_at": (6000, 12_000, 18_000), "mixup": 0.1},
        **{"train_resize": 448, "resolution": 384},
    },
    ("bit-hyperrule", "bit-m-r50x1", "vtab-svhn"): {"steps": 500, "train_resize": 160, "resolution": 128},
    ("notebook-vit", VIT, "cifar10"): {
        # 49,000 images in batches of 32 are 1,532 batches, the last of them small.
        **{"batch_size": 32, "steps": 10 * 1532, "learning_rate": 0.001, "warmup_steps": 0, "clip_norm": None},
        **{"schedule": "cosine", "resolution": 224, "side": 224, "flip": False, "crop": "none", "head": "library"},
        **{"trains_on": "all but dev", "epochs": None},
    },
    ("notebook-vit", VIT, "pets"): {"steps": 10 * 104, "learning_rate": 0.003},
    ("notebook-vit", VIT, "flowers"): {"steps": 14 * 29, "learning_rate": 0.003},
    ("notebook-bit", BIT, "cifar100"): {
        **{"batch_size": 16, "steps": 10 * 3063, "learning_rate": 0.0003, "train_resize": 160, "resolution": 128},
        **{"flip": True, "head": "zero", "side": 128, "schedule": "cosine", "mixup": 0.0, "clip_norm": None},
    },
    ("notebook-bit", BIT, "pets"): {"steps": 10 * 207, "learning_rate": 0.0001, "resolution": 128},
    ("notebook-bit", BIT, "flowers"): {"steps": 14 * 58, "learning_rate": 0.0001},
    ("short-500", VIT, "pets"): {"steps": 500, "warmup_steps": 50, "learning_rate": 0.03, "dropout": 0.1},
    ("short-1000", "vit-b16-in21k", "cifar10"): {"steps": 1000, "warmup_steps": 100, "learning_rate": 0.01},
    ("evaluate", "vit-l16-in21k-in1k-384", "imagenet"): {"steps": 0, "side": 384, "test_resize": "square"},
    ("evaluate", "bit-m-r152x4-in1k", "imagenet"): {"side": 480, "test_interpolation": "bilinear", "mean": 0.5},
    ("evaluate", "bit-m-r101x3-in1k", "imagenet"): {"side": 384, "test_antialias": False},
    ("evaluate", "sam-b16", "imagenet"): {"side": 224, "test_resize": "square"},
    ("evaluate", "bit-m-r50x1-vtab-svhn-run0", "vtab-svhn"): {"side": 128},
    ("evaluate", "bit-m-r152x4-vtab-dtd-run1", "vtab-dtd"): {"side": 480},
    ("fewshot-5", VIT, "cifar100"): {
        **{"method": "least squares", "shots": 5, "l2": 1024, "steps": 0, "resolution": 224, "side": 224},
        **{"test_resize": "square", "test_crop_share": 0.875, "precision": "float32", "trains_on": "all"},
    },
    ("fewshot-25", "sam-b16", "imagenet-train"): {"shots": 25, "side": 224},
    ("fewshot-10", BIT, "pets"): {"shots": 10, "side": 224},
    ("evaluate", "augreg2-b16-in21k-in1k-224", "imagenet"): {
        **{"side": 224, "test_resize": "short side", "test_crop_share": 0.9, "test_interpolation": "bicubic"},
        **{"test_antialias": True},
    },
}


@pytest.mark.parametrize("name", [name for name, found in RECIPES.items() if not found.frozen])
def test_a_recipe_that_trains_states_every_field(name):
    stated = {field for layer in all_definitions()[name].layers for field, _ in layer.values}
    alternatives = {"steps", "epochs", "learning_rate", "learning_rate_grid", "learning_rates"}
    of_some = {"decay_at", "train_resize", "method", *LEAST_SQUARES}  # a staircase's, a random crop's, no gradient's
    assert set(FIELDS) - alternatives - of_some <= stated


def test_the_timm_crop_is_timms():
    timm = pytest.importorskip("timm")
    for name in ("augreg2-b16-in21k-in1k-224", "augreg2-b8-in21k-in1k-224"):
        entry = checkpoints()[name]
        config, found = timm.get_pretrained_cfg(entry.timm), resolve("evaluate", entry, dataset("imagenet"))
        assert (found.side, found.side) == config.input_size[1:]
        assert found.test_crop_share == config.crop_pct
        assert found.test_interpolation == config.interpolation
        assert {found.mean} == set(config.mean)
        assert {found.std} == set(config.std)


def test_a_learning_rate_was_chosen_for_every_micro_checkpoint_and_dataset():
    import json

    from claims.micro.tune import TABLE

    rates = json.loads(TABLE.read_text())["chosen"]
    for name in shipped():
        for task in dict(proxies().datasets).values():
            assert recipe("micro", name, task).learning_rate == rates[name][task]
    assert recipe("micro").learning_rate == recipes()["micro"].learning_rate


def test_the_choice_is_the_best_of_the_grid_and_the_lower_of_two_equals():
    import json

    from claims.micro.tune import GRID, TABLE, table

    written = json.loads(TABLE.read_text())
    assert table(written["dev_accuracy"]) == written
    for by_dataset in written["dev_accuracy"].values():
        for by_rate in by_dataset.values():
            assert [float(rate) for rate in by_rate] == list(GRID)
    tied = table({"c": {"d": {"0.3": 90.0, "0.1": 90.0, "0.03": 80.0}}})
    assert tied["chosen"] == {"c": {"d": 0.1}}


def test_shipped_checkpoints_are_the_ones_pinned_and_converged():
    import json

    from claims.micro.pretrain import CONVERGED, STEPS, SUMMARY

    summary = json.loads((paper().folder / "micro" / "checkpoints" / SUMMARY).read_text())
    assert {f"micro-{name}" for name in summary} == set(shipped())
    for name, row in summary.items():
        found = checkpoints()[f"micro-{name}"]
        assert (found.sha256, found.size) == (row["sha256"], row["bytes"])
        assert file_of(found).stat().st_size == found.size
        assert row["steps"] == STEPS
        assert row["final_loss"] <= CONVERGED
    assert sum(row["bytes"] for row in summary.values()) < 16_000_000


@pytest.mark.parametrize("case", GOLDEN, ids=" ".join)
def test_a_recipe_is_what_its_source_says(case):
    found = resolved(*case)
    assert {name: getattr(found, name) for name in GOLDEN[case]} == GOLDEN[case]


@pytest.mark.parametrize("name", DEFINITIONS)
def test_every_value_says_where_it_comes_from(name):
    for layer in all_definitions()[name].layers:
        assert {field for field, _ in layer.values} == {field for field, _ in layer.sources}
        assert all(text.strip() for _, text in layer.sources)


def test_a_resolved_recipe_cites_each_value_once_and_the_case_that_it_comes_from():
    found = resolved("paper", VIT, "imagenet-train")
    cited = dict(found.sources)
    assert len(cited) == len(found.sources)
    assert "section 4.1" in cited["resolution"]
    assert "ImageNet" in cited["steps"]
    assert dict(resolved("paper", VIT, "cifar10").sources)["resolution"].startswith("ViT paper, appendix B.1.1")
    assert dict(resolved("notebook-vit", VIT, "flowers").sources)["steps"].startswith("14 epochs: course")


@pytest.mark.no_cover  # many short loops: three times as long when they are traced
def test_every_recipe_can_be_resolved_for_every_checkpoint_of_its_family():
    for protocol_name in (*protocols(), "short-500", "short-1000", "evaluate"):
        for entry in checkpoints().values():
            if entry.family in ("vit", "bit", "hybrid"):
                name = protocol(protocol_name, entry.family)
                for on in ("cifar10", "flowers", "imagenet-train", "vtab-svhn"):
                    found = resolve(name, entry, dataset(on))
                    assert (found.id, found.epochs) == (name, None)
                    assert found.steps is not None


@pytest.mark.parametrize("on", ["cifar10", "pets", "flowers", "imagenet-train"])
def test_epochs_count_the_examples_that_the_split_keeps(on):
    spec = dataset(on)
    kept, _ = dev_split(spec.train, spec.dev_fraction)
    found = resolve("notebook-vit", checkpoints()[VIT], spec)
    epochs = 14 if on == "flowers" else 10
    assert epochs * len(kept) <= found.steps * 32 < epochs * (len(kept) + 32)


@pytest.mark.parametrize("name", ["convnext-t-in1k", "convnext-t-in22k-in1k-384"])
def test_released_convnexts_are_evaluated_as_timms_registry_says(name):
    from timm.models import get_pretrained_cfg

    released = checkpoints()[name]
    found = resolve("evaluate", released, dataset("imagenet"))
    cfg = get_pretrained_cfg(released.timm)
    assert (found.mean, found.std, found.test_interpolation) == (cfg.mean, cfg.std, cfg.interpolation)
    assert (found.resolution, found.resolution) == cfg.input_size[1:]
    share = cfg.crop_pct if cfg.crop_mode == "center" else None
    assert (found.test_resize, found.test_crop_share) == (("short side", share) if share else ("square", 1.0))
    assert found.test_antialias  # timm resizes with Pillow
    assert dict(found.sources)["mean"] == "of the checkpoint: its entry"


def pinned(name):
    return dataclasses.replace(checkpoints()[name], sha256="1" * 64)


def test_the_settings_of_a_run_mark_what_differs_from_the_paper():
    spec = dataset("cifar10")
    run = Run(pinned(VIT), spec, resolved("notebook-vit", VIT, "cifar10"), 0)
    used = recipe_used(run)
    rows = {field: (value, papers) for field, value, papers in used.settings}
    assert (used.checkpoint, used.recipe) == (VIT, "notebook-vit")
    assert rows["batch_size"] == ("32", "512")
    assert rows["steps"] == ("15,320", "10,000")
    assert rows["learning_rate"] == ("0.001", "")  # one of the paper's grid
    assert rows["learning_rate_grid"] == ("none", "0.001, 0.003, 0.01, 0.03")
    assert rows["test_resolution"] == ("224", "384")
    assert rows["flip"] == ("no", "not stated; yes in the authors' code")
    assert rows["precision"] == ("bfloat16", "")  # the paper's recipe has this project's choice
    assert rows["momentum"] == ("0.9", "")
    assert "epochs" not in rows


def test_a_run_by_the_papers_recipe_differs_in_nothing():
    for name, family_recipe in ((VIT, "paper"), (BIT, "bit-hyperrule")):
        found = resolved(family_recipe, name, "pets")
        found = found if found.learning_rate else with_rate(found, 0.003)
        used = recipe_used(Run(pinned(name), dataset("pets"), found, 0))
        assert {papers for _, _, papers in used.settings} == {""}


def test_an_evaluation_shows_only_what_it_depends_on():
    name = "vit-l16-in21k-in1k-384"
    used = recipe_used(Run(pinned(name), dataset("imagenet"), resolved("evaluate", name, "imagenet"), 0))
    rows = {field: (value, papers) for field, value, papers in used.settings}
    assert rows["test_resolution"] == ("384", "512")
    assert not {"steps", "momentum", "flip", "resolution"} & set(rows)


@pytest.mark.parametrize("shots", [1, 5, 10, 25])
def test_least_squares_of_the_micro_study_sees_the_whole_image(shots):
    found = resolve(f"fewshot-{shots}", checkpoints()["micro-vit-l"], micro_task("digits"))
    assert (found.shots, found.l2, found.side, found.test_crop_share) == (shots, 1024, 32, 1)


def test_resolving_the_micro_recipe_is_looking_it_up():
    from harness.catalog.datasets import datasets

    for name in shipped():
        for task in dict(proxies().datasets).values():
            assert resolve("micro", checkpoints()[name], datasets()[task]) == recipe("micro", name, task)
