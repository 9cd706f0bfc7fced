"""Recipes: every value cited, the order of resolution, bad tables refused."""

import dataclasses

import pytest

from harness.catalog.checkpoints import checkpoints, shipped
from harness.catalog.recipe_layers import definitions_of, training_examples
from harness.catalog.recipes import (
    all_definitions,
    assemble,
    definitions,
    protocol,
    protocols,
    recipe,
    recipe_used,
    resolve,
    with_rate,
)
from harness.core.errors import ClaimsError
from harness.core.paper import paper
from harness.core.run import Run
from harness.core.specs import Dataset, Recipe
from harness.core.toml import read_specs
from harness.data.splits import dev_split
from harness.evidence.micro.proxies import proxies

SIZES = {
    "cifar10": (10, 50_000, 0.02),
    "cifar100": (100, 50_000, 0.02),
    "pets": (37, 3680, 0.1),
    "flowers": (102, 1020, 0.1),
    "imagenet-train": (1000, 1_281_167, 0.01),
    "imagenet": (1000, 1, 0.01),
    "vtab-dtd": (47, 1000, 0.2),
    "vtab-svhn": (10, 1000, 0.2),
    "vtab-dsprites-location": (16, 1000, 0.2),
    "vtab-dsprites-orientation": (16, 1000, 0.2),
    "vtab-smallnorb-azimuth": (18, 1000, 0.2),
    "vtab-smallnorb-elevation": (9, 1000, 0.2),
}
"""(classes, training examples, dev fraction), for the recipes of the ViT paper, too (tests/claims)."""


def dataset(name, **changes):
    classes, train, dev = SIZES[name]
    plain = Dataset(name, classes, train, test=100, reader="x", sha256="0" * 64, dev_fraction=dev)
    return dataclasses.replace(plain, **changes)


def resolved(name, checkpoint, on):
    return resolve(name, checkpoints()[checkpoint], dataset(on))


VIT, BIT = "vit-l16-in21k", "bit-m-r152x4"
REST = (0.001, 0.003, 0.01, 0.03)
# (recipe, checkpoint, dataset) -> values: those of the recipe, of its cases that apply, and of what it is based on.
RESOLVED = {
    ("paper", VIT, "imagenet-train"): {
        **{"batch_size": 512, "steps": 20_000, "learning_rate_grid": (0.003, 0.01, 0.03, 0.06), "learning_rate": None},
        **{"schedule": "cosine", "clip_norm": 1.0, "weight_decay": 0.0, "momentum": 0.9, "head": "zero"},
        **{"resolution": 512, "polyak": 0.9999, "trains_on": "all", "mean": 0.5, "std": 0.5, "mixup": 0.0},
    },
    ("paper", "vit-b16-in21k", "imagenet-train"): {"resolution": 384, "polyak": None, "dropout": 0.0},
    ("paper", VIT, "cifar10"): {"steps": 10_000, "learning_rate_grid": REST, "resolution": 384, "polyak": None},
    ("paper", VIT, "pets"): {"steps": 500, "learning_rate_grid": REST, "warmup_steps": 100},
    ("code", VIT, "cifar10"): {
        **{"batch_size": 512, "steps": 10_000, "learning_rate": 0.03, "learning_rate_grid": (), "warmup_steps": 500},
        **{"momentum_dtype": "bfloat16", "clip_norm": 1.0, "resolution": 384, "side": 384, "crop": "inception"},
        **{"flip": True, "head": "zero", "trains_on": "all but dev", "test_resize": "square"},
    },
    ("code", "vit-b16-in21k", "cifar10"): {"learning_rate": 0.01},
    ("code", "vit-b16-in21k", "cifar100"): {"learning_rate": 0.03},
    ("bit-hyperrule", BIT, "cifar10"): {
        **{"batch_size": 512, "steps": 10_000, "learning_rate": 0.003, "schedule": "staircase", "warmup_steps": 500},
        **{"decay_at": (3000, 6000, 9000), "clip_norm": None, "mixup": 0.1, "train_resize": 448, "resolution": 384},
        **{"crop": "random", "flip": True, "head": "zero", "side": 384, "test_resize": "square", "momentum": 0.9},
    },
    ("bit-hyperrule", BIT, "pets"): {"steps": 500, "warmup_steps": 100, "decay_at": (200, 300, 400), "mixup": 0.0},
    ("notebook-vit", VIT, "cifar10"): {
        # 49,000 images in batches of 32 are 1,532 batches, the last of them small.
        **{"batch_size": 32, "steps": 10 * 1532, "learning_rate": 0.001, "warmup_steps": 0, "clip_norm": None},
        **{"schedule": "cosine", "resolution": 224, "side": 224, "flip": False, "crop": "none", "head": "library"},
        **{"trains_on": "all but dev", "epochs": None},
    },
    ("notebook-vit", VIT, "flowers"): {"steps": 10 * 29},
    ("notebook-bit", BIT, "cifar100"): {
        **{"batch_size": 16, "steps": 10 * 3063, "learning_rate": 0.0003, "train_resize": 160, "resolution": 128},
        **{"flip": True, "head": "zero", "side": 128, "schedule": "cosine", "mixup": 0.0, "clip_norm": None},
    },
    ("short-500", VIT, "pets"): {"steps": 500, "warmup_steps": 50, "learning_rate": 0.03},
    ("short-500", "vit-b16-in21k", "cifar10"): {"steps": 500, "warmup_steps": 50, "learning_rate": 0.01},
    ("evaluate", "vit-l16-in21k-in1k-384", "imagenet"): {"steps": 0, "side": 384, "test_resize": "square"},
    ("evaluate", "bit-m-r152x4-in1k", "imagenet"): {"side": 480, "test_interpolation": "bilinear", "mean": 0.5},
    ("evaluate", "sam-b16", "imagenet"): {"side": 224, "test_resize": "square"},
    ("fewshot-5", VIT, "cifar100"): {
        **{"method": "least squares", "shots": 5, "l2": 1024, "steps": 0, "resolution": 224, "side": 224},
        **{"test_resize": "square", "test_crop_share": 0.875, "precision": "float32", "trains_on": "all"},
    },
    ("fewshot-5", BIT, "pets"): {"shots": 5, "side": 224},
    ("evaluate", "convnext-t-in1k", "imagenet"): {
        **{"side": 224, "test_resize": "short side", "test_crop_share": 0.875, "test_interpolation": "bicubic"},
        **{"test_antialias": True},
    },
}


@pytest.mark.parametrize("case", RESOLVED, ids=" ".join)
def test_a_recipe_is_what_its_layers_say(case):
    found = resolved(*case)
    assert {name: getattr(found, name) for name in RESOLVED[case]} == RESOLVED[case]


@pytest.mark.parametrize("name", all_definitions())
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
    assert dict(resolved("paper", VIT, "cifar10").sources)["resolution"] == "small pictures, section 4"
    assert dict(resolved("notebook-vit", VIT, "flowers").sources)["steps"].startswith("10 epochs: course")


@pytest.mark.no_cover  # many short loops: three times as long when they are traced
def test_every_recipe_can_be_resolved_for_every_checkpoint_of_its_family():
    for protocol_name in (*protocols(), "short-500", "evaluate", "fewshot-5"):
        for entry in checkpoints().values():
            if entry.family in ("vit", "bit", "hybrid"):
                name = protocol(protocol_name, entry.family)
                for on in ("cifar10", "flowers", "imagenet-train", "vtab-svhn"):
                    found = resolve(name, entry, dataset(on))
                    assert (found.id, found.epochs) == (name, None)
                    assert found.steps is not None


def test_the_layers_apply_in_order():
    tables = {
        "base": {
            **{"batch_size": 8, "resolution": 32, "steps": 10, "learning_rate": 0.1},
            "cases": [
                {"when": {"datasets": ["cifar*"]}, "steps": 20, "warmup_steps": 2},
                {"when": {"datasets": ["cifar10"], "families": ["vit"]}, "epochs": 2},
            ],
        },
        "derived": {
            **{"based_on": "base", "warmup_steps": 1},
            "cases": [{"when": {"train_from": 50_000}, "learning_rate_grid": [0.1, 0.2]}],
        },
    }
    found = definitions_of(tables, "t.toml", {})
    vit, bit = checkpoints()[VIT], checkpoints()[BIT]

    def values(name, checkpoint, on):
        made = assemble(found[name], checkpoint, dataset(on))
        return made.steps, made.epochs, made.warmup_steps, made.learning_rate, made.learning_rate_grid

    assert values("base", vit, "pets") == (10, None, 0, 0.1, ())
    assert values("base", bit, "cifar10") == (20, None, 2, 0.1, ())
    assert values("base", vit, "cifar10") == (None, 2, 2, 0.1, ())
    # A derived recipe's own values win over the cases of what it is based on; its cases over both.
    assert values("derived", vit, "cifar10") == (None, 2, 1, None, (0.1, 0.2))
    assert values("derived", bit, "pets") == (10, None, 1, 0.1, ())


def test_few_shot_tasks_count_the_examples_that_are_drawn():
    assert training_examples(dataset("cifar10", shots=5)) == 50
    found = resolve("bit-hyperrule", checkpoints()[BIT], dataset("cifar10", shots=5))
    assert (found.steps, found.mixup) == (500, 0.0)
    assert resolve("notebook-vit", checkpoints()[VIT], dataset("cifar10", shots=5)).steps == 10 * 2


@pytest.mark.parametrize("on", ["cifar10", "pets", "flowers", "imagenet-train"])
def test_epochs_count_the_examples_that_the_split_keeps(on):
    spec = dataset(on)
    kept, _ = dev_split(spec.train, spec.dev_fraction)
    found = resolve("notebook-vit", checkpoints()[VIT], spec)
    assert 10 * len(kept) <= found.steps * 32 < 10 * (len(kept) + 32)


def test_a_rate_is_picked_from_the_grid():
    found = resolved("paper", VIT, "cifar10")
    assert with_rate(found, 0.003).learning_rate == 0.003
    assert with_rate(found, 0.003).learning_rate_grid == REST
    with pytest.raises(
        ClaimsError, match=r"^recipe paper: expected a learning rate of its grid \(0.001, .*found 0.06$"
    ):
        with_rate(found, 0.06)


def test_protocols_name_a_recipe_for_each_family():
    assert [protocol("notebook", family) for family in ("vit", "hybrid", "bit")] == [
        *("notebook-vit", "notebook-vit", "notebook-bit")
    ]
    assert [protocol("paper", family) for family in ("vit", "hybrid", "bit")] == ["paper", "paper", "bit-hyperrule"]
    assert protocol("short-500", "bit") == "short-500"
    with pytest.raises(ClaimsError, match=r"unknown recipe 'notebok' \(did you mean 'notebook'\?\)"):
        protocol("notebok", "vit")
    with pytest.raises(ClaimsError, match="protocol paper: expected a family of vit, hybrid, bit, found convnext"):
        protocol("paper", "convnext")


def test_a_checkpoint_of_timms_is_evaluated_as_its_entry_says_which_is_timms_registry():
    from timm.models import get_pretrained_cfg

    released = checkpoints()["convnext-t-in1k"]
    found = resolve("evaluate", released, dataset("imagenet"))
    cfg = get_pretrained_cfg(released.timm)
    assert (found.mean, found.std, found.test_interpolation) == (cfg.mean, cfg.std, cfg.interpolation)
    assert (found.resolution, found.resolution) == cfg.input_size[1:]
    share = cfg.crop_pct if cfg.crop_mode == "center" else None
    assert (found.test_resize, found.test_crop_share) == (("short side", share) if share else ("square", 1.0))
    assert found.test_antialias  # timm resizes with Pillow
    assert dict(found.sources)["mean"] == "of the checkpoint: its entry"


def test_a_fine_tuning_takes_normalisation_and_interpolation_from_the_checkpoint_and_keeps_its_own_crop():
    found = resolve("code", checkpoints()["convnext-t-in1k"], dataset("cifar10"))
    assert (found.mean, found.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert (found.test_interpolation, found.test_resize, found.test_crop_share) == ("bicubic", "square", 1.0)
    authors = resolve("code", checkpoints()["vit-b16-in21k"], dataset("cifar10"))
    assert (authors.mean, authors.std, authors.test_interpolation) == (0.5, 0.5, "bilinear")


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


def test_least_squares_shows_what_it_depends_on_and_is_not_compared_with_fine_tuning():
    used = recipe_used(Run(pinned(VIT), dataset("pets"), resolved("fewshot-5", VIT, "pets"), 0))
    rows = {field: (value, papers) for field, value, papers in used.settings}
    assert rows["method"] == ("least squares", "")
    assert (rows["shots"], rows["l2"], rows["test_crop_share"]) == (("5", ""), ("1024", ""), ("0.875", ""))
    assert rows["trains_on"] == ("all", "")
    assert not {"steps", "momentum", "flip", "resolution", "learning_rate"} & set(rows)
    trained = recipe_used(Run(pinned(VIT), dataset("pets"), resolved("notebook-vit", VIT, "pets"), 0))
    assert not {"method", "shots", "l2"} & {field for field, _, _ in trained.settings}


BASE = "[mine]\nbatch_size = 8\nresolution = 32\nsteps = 10\nlearning_rate = 0.1\n"


@pytest.mark.parametrize(
    "text, message",
    [
        ("[mine]\nsteps = 3\nlearning_rate = 1.0", r"recipe mine: key 'batch_size' is missing; add it$"),
        (
            BASE + "clip = 1.0",
            r"t\.toml \[mine\]: unknown key 'clip' \(did you mean 'flip'\?\); expected keys: based_on",
        ),
        (BASE + "flip = 'left'", r"t\.toml \[mine\]: flip: expected a valid boolean.*, found 'left'$"),
        (
            BASE + "batch_size = 0".replace("batch_size", "warmup_steps") + "\nsources.warmup = 'x'",
            "unknown key 'warmup'",
        ),
        (BASE + "crop = 'random'", "recipe mine: Recipe: a random crop needs train_resize"),
        (
            BASE + "[[mine.cases]]\nwhen.dataset = ['a']\nsteps = 3",
            r"case 1, when: unknown key 'dataset' \(did you mean",
        ),
        (BASE + "[[mine.cases]]\nwhen.families = ['vti']\nsteps = 3", r"case 1, when: families\.0: expected"),
        (BASE + "[mine.cases]\nsteps = 3", r"cases: expected tables \[\[NAME\.cases\]\], found"),
        ("[mine]\nbased_on = 'papr'", r"t\.toml \[mine\], based_on: unknown recipe 'papr' \(did you mean 'paper'\?\)"),
        ("[a]\nbased_on = 'b'\n[b]\nbased_on = 'a'", r"t\.toml \[a\]: expected a recipe that is based on another"),
        (BASE.replace("mine", "paper"), r"t\.toml \[paper\]: expected a new name, found one that exists; rename it$"),
        ("mine = 3", r"t\.toml: expected tables \[NAME\], found the value mine = 3; fix the file$"),
    ],
)
def test_a_bad_table_of_the_users_own_is_one_line(tmp_path, text, message):
    path = tmp_path / "t.toml"
    path.write_text(text)
    with pytest.raises(ClaimsError, match=message) as caught:
        definitions(paper().table("recipes.toml"), path)
    assert "\n" not in str(caught.value)


def test_the_users_own_recipes_stand_beside_the_projects(tmp_path, monkeypatch):
    (tmp_path / "recipes.toml").write_text("[mine]\nbased_on = 'code'\nsteps = 77\nwarmup_steps = 7")
    monkeypatch.setenv("VIT_CLAIMS_TABLES", str(tmp_path))
    found = resolved("mine", "vit-b16-in21k", "cifar10")
    assert (found.id, found.steps, found.warmup_steps, found.learning_rate) == ("mine", 77, 7, 0.01)
    assert protocol("mine", "bit") == "mine"
    assert "mine" not in definitions(paper().table("recipes.toml"))


def test_resolving_the_micro_recipe_is_looking_it_up():
    from harness.catalog.datasets import datasets

    for name in shipped():
        for task in dict(proxies().datasets).values():
            assert resolve("micro", checkpoints()[name], datasets()[task]) == recipe("micro", name, task)


@pytest.mark.parametrize(
    "text, spec, message",
    [
        ("[a]\nsteps = 3", Recipe, r"^t\.toml \[a\]: key 'batch_size' is missing; add it$"),
        ("[a]\nclases = 3", Dataset, r"^t\.toml \[a\]: unknown key 'clases' \(did you mean 'classes'\?\)"),
        ("a = 3", Recipe, r"^t\.toml: expected tables \[NAME\], found the value a = 3; fix the file$"),
        ("[a\n", Recipe, r"t\.toml: expected TOML, found: .*line 1"),
    ],
)
def test_a_malformed_table_is_one_line(tmp_path, text, spec, message):
    path = tmp_path / "t.toml"
    path.write_text(text)
    with pytest.raises(ClaimsError, match=message) as caught:
        read_specs(path, spec)
    assert "\n" not in str(caught.value)
