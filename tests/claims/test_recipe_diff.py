"""Where the ViT paper's recipes differ."""

import json

import pytest

from harness.__main__ import main
from harness.catalog.checkpoints import checkpoints
from harness.catalog.datasets import unpinned_dataset
from harness.catalog.recipe_diff import ROWS, between, differences, settled, statements
from harness.catalog.recipes import all_definitions, defined, resolve
from harness.core.paper import using
from harness.data.registry import entries
from tests.claims import PAPER

with using(PAPER):
    DATASETS = [unpinned_dataset(entry) for entry in entries().values() if entry.train]
    ZOO = list(checkpoints().values())
    DEFINITIONS = all_definitions()


def rows(a, b):
    return [(row.field, row.when, row.a.value, row.b.value) for row in differences(a, b, ZOO, DATASETS)]


def test_the_paper_and_its_code_differ_where_the_reference_says():
    found = rows(defined("paper"), defined("code"))
    grid = "one of 0.001, 0.003, 0.01, 0.03"
    assert [row for row in found if row[0] == "learning_rate"] == [
        ("learning_rate", "", grid, "0.03"),
        ("learning_rate", "imagenet*", "one of 0.003, 0.01, 0.03, 0.06", "0.03"),
        ("learning_rate", "vtab-*", "0.01", "0.03"),
        ("learning_rate", "ViT-B/16; cifar10", grid, "0.01"),
    ]
    assert ("momentum_dtype", "", "float32", "bfloat16") in found
    assert ("trains_on", "", "all", "all but dev") in found
    assert ("resolution", "ViT-L/16; imagenet*", "512", "384") in found
    assert ("polyak", "ViT-H/14; imagenet*", "0.9999", "none") in found
    assert {row[0] for row in found} == {
        *("learning_rate", "momentum_dtype", "trains_on", "resolution", "polyak", "steps", "warmup_steps"),
        *("train_resize", "crop", "flip", "dropout"),
    }
    # Where a flip would change the label; the code flips every image.
    unflipped = "vtab-dsprites-location, vtab-dsprites-orientation, vtab-smallnorb-azimuth"
    assert [row for row in found if row[0] == "flip"] == [("flip", unflipped, "no", "yes")]


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_recipe_does_not_differ_from_itself(name):
    assert rows(defined(name), defined(name)) == []


@pytest.mark.no_cover  # many short loops: three times as long when they are traced
@pytest.mark.parametrize("a, b", [("paper", "bit-hyperrule"), ("notebook-vit", "notebook-bit")])
def test_fields_that_are_not_listed_are_the_same_for_every_checkpoint_and_dataset(a, b):
    listed = {row[0] for row in rows(defined(a), defined(b))}
    seen = set()
    for entry in ZOO:
        if entry.family == "convnext":
            continue
        for each in DATASETS:
            one, other = settled(resolve(a, entry, each)), settled(resolve(b, entry, each))
            seen |= {row.field for row in between(one, other)}
    # The test side follows from the training side, and steps from epochs and the batch.
    follows = {"test_resolution", "steps"} if a.startswith("notebook") else {"test_resolution"}
    assert seen - listed <= follows
    assert listed <= seen


def test_what_is_said_always_takes_earlier_cases_away():
    said = statements(defined("short-500"))
    assert [(each.when, each.value) for each in said["steps"]] == [("", "500")]
    assert [each.value for each in statements(defined("code"))["steps"]] == ["10,000", "20,000", "500"]
    assert statements(defined("notebook-vit"))["steps"][0].value == "10 epochs"
    assert statements(defined("evaluate"))["momentum"][0].value == "-"
    assert set(said) == set(ROWS)


def printed(capsys, *arguments):
    code = main(["recipes", *arguments])
    return code, capsys.readouterr()


def test_the_table_fits_120_columns_and_cites_each_value(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    code, out = printed(capsys, "diff", "paper", "bit-hyperrule")
    assert code == 0
    lines = out.out.splitlines()
    assert max(map(len, lines)) <= 120
    flat = " ".join(out.out.split())
    assert "schedule cosine staircase" in flat
    assert "a tenth at 30, 60 and" in flat
    assert lines[-2].startswith("the same in both: batch_size, momentum,")


def test_a_resolved_difference_names_the_recipes_of_the_family(capsys):
    arguments = ("diff", "paper", "notebook", "--checkpoint", "bit-m-r152x4", "--dataset", "pets")
    _, out = printed(capsys, *arguments)
    assert out.out.startswith("paper: bit-hyperrule against notebook: notebook-bit (for bit-m-r152x4 on pets)")
    _, out = printed(capsys, *arguments, "--json")
    found = {row["field"]: row for row in json.loads(out.out)}
    assert (found["steps"]["a"]["value"], found["steps"]["b"]["value"]) == ("500", "2,070")
    assert found["steps"]["b"]["source"].startswith("10 epochs: course")
    assert "momentum" not in found


def test_the_differences_as_json(capsys):
    _, out = printed(capsys, "--json", "diff", "paper", "code")
    rows_found = json.loads(out.out)
    assert {"field", "if", "a", "b"} == set(rows_found[0])
    steps = [row for row in rows_found if row["field"] == "steps"]
    assert [(row["if"], row["a"]["value"], row["b"]["value"]) for row in steps] == [("vtab-*", "2,500", "500")]


def test_show_prints_every_setting(capsys):
    _, out = printed(capsys, "show", "notebook", "--checkpoint", "vit-l16-in21k", "--dataset", "cifar10")
    assert out.out.startswith("recipe notebook: notebook-vit (for vit-l16-in21k on cifar10)")
    named = {line.split()[0] for line in out.out.splitlines()[2:] if line[:1].strip()}
    assert named == set(ROWS)
    assert "15,320" in out.out
    _, out = printed(capsys, "show", "code")
    assert "0.01  if ViT-B/16; cifar10" in out.out
    _, out = printed(capsys, "show", "micro", "--checkpoint", "micro-vit-l", "--dataset", "digits-5", "--json")
    assert json.loads(out.out)["steps"][0]["value"] == "40"
