"""The user's own tables stand beside the project's: absolute places, new names only, and one line for what is wrong."""

import hashlib
import json

import pytest

from harness.catalog import checkpoint_files, checkpoints, recipes
from harness.core.errors import ClaimsError, Gone
from harness.core.paper import own_table
from harness.core.specs import Checkpoint
from harness.core.toml import read_specs
from harness.data.registry import entries
from tests.models.weights import npz

OWN = {"family": "vit", "architecture": "ViT-Own", "pretrained_on": "Mine", "layout": "vit-npz"}
FOLDER = {"title": "Mine", "reader": "folder", "classes": 2, "train": 4, "test": 2, "dev_fraction": 0.25}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def tables(tmp_path, monkeypatch):
    folder = tmp_path / "tables"
    folder.mkdir()
    monkeypatch.setenv("VIT_CLAIMS_TABLES", str(folder))
    monkeypatch.delenv("VIT_CLAIMS_WEIGHTS", raising=False)
    return folder


def write(table, name, **values):
    table.write_text(f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))


def test_without_the_variable_there_is_none(monkeypatch):
    monkeypatch.delenv("VIT_CLAIMS_TABLES", raising=False)
    assert own_table("checkpoints.toml") is None


def test_a_table_is_found_by_name_and_a_wrong_folder_is_said(tables, tmp_path, monkeypatch):
    assert own_table("recipes.toml") is None
    (tables / "recipes.toml").write_text("")
    assert own_table("recipes.toml") == tables / "recipes.toml"
    monkeypatch.setenv("VIT_CLAIMS_TABLES", str(tmp_path / "none"))
    with pytest.raises(ClaimsError, match=r"VIT_CLAIMS_TABLES: expected a folder of tables, found none at .*none"):
        own_table("checkpoints.toml")


@pytest.mark.parametrize("where", ["beside the table", "absolute"])
def test_an_own_checkpoint_is_identified_by_what_its_file_holds_now(tables, tmp_path, where):
    weights = tables / "mine.npz"
    weights.write_bytes(npz(1))
    write(tables / "checkpoints.toml", "mine", **OWN, file="mine.npz" if where == "beside the table" else str(weights))
    found = checkpoints.checkpoint("mine")
    assert "mine" not in checkpoints.shipped()
    assert checkpoints.checkpoint("micro-vit-l").id in checkpoints.shipped()
    for value in (1, 2, 1):  # trained anew under the same name, and the old file put back
        weights.write_bytes(npz(value))
        assert checkpoint_files.file_of(found, tmp_path / "cache", offline=True) == weights
        assert checkpoint_files.pinned(found, tmp_path / "cache", offline=True).sha256 == sha256(npz(value))


def test_a_table_that_changes_is_read_again(tables, tmp_path):
    for epoch in (10, 20):
        (tables / f"epoch{epoch}.npz").write_bytes(npz(epoch))
        write(tables / "checkpoints.toml", "mine", **OWN, file=f"epoch{epoch}.npz")
        assert checkpoint_files.pinned(
            checkpoints.checkpoint("mine"), tmp_path / "cache", offline=True
        ).sha256 == sha256(npz(epoch))
    write(tables / "datasets.toml", "mine", **FOLDER, path="first")
    assert entries()["mine"].folder == str(tables / "first")
    write(tables / "datasets.toml", "mine", **FOLDER, path="second")
    assert entries()["mine"].folder == str(tables / "second")


def test_a_file_that_is_gone_is_no_stale_answer(tables, tmp_path):
    weights = tables / "mine.npz"
    weights.write_bytes(npz())
    write(tables / "checkpoints.toml", "mine", **OWN, file="mine.npz")
    checkpoint_files.pinned(checkpoints.checkpoint("mine"), tmp_path / "cache", offline=True)
    weights.unlink()
    for look in (checkpoint_files.pinned, checkpoint_files.file_of):
        with pytest.raises(Gone, match=rf"mine: expected its weights in {weights}, found no such file"):
            look(checkpoints.checkpoint("mine"), tmp_path / "cache", offline=True)


def test_a_digest_that_an_own_entry_gives_must_hold(tables, tmp_path):
    (tables / "mine.npz").write_bytes(npz(1))
    write(tables / "checkpoints.toml", "mine", **OWN, file="mine.npz", sha256=sha256(npz(2)))
    with pytest.raises(ClaimsError, match=rf"expected sha256 {sha256(npz(2))} .given for it., found {sha256(npz(1))}"):
        checkpoint_files.pinned(checkpoints.checkpoint("mine"), tmp_path / "cache", offline=True)


def test_other_addresses_of_an_own_entry_are_other_weights(tables, tmp_path):
    places = []
    for value in (1, 2):
        write(tables / "checkpoints.toml", "mine", **OWN, sources=[f"https://example.org/epoch{value}.npz"])
        (material,) = checkpoint_files.materials(checkpoints.checkpoint("mine"))
        places.append(material.path(tmp_path))
        places[-1].parent.mkdir(parents=True)
        places[-1].write_bytes(npz(value))  # as if fetched from there
        assert checkpoint_files.pinned(checkpoints.checkpoint("mine"), tmp_path, offline=True).sha256 == sha256(
            npz(value)
        )
    assert checkpoint_files.materials(checkpoints.checkpoint("vit-b16-in21k"))[0].id == "vit-b16-in21k"


def test_an_own_dataset_lies_where_its_entry_says(tables):
    write(tables / "datasets.toml", "mine", **FOLDER, path="images")
    assert entries()["mine"].folder == str(tables / "images")
    assert "cifar10" in entries()


@pytest.mark.parametrize(
    ("table", "name", "values"),
    [
        ("checkpoints.toml", "micro-vit-l", OWN | {"file": "x.npz"}),
        ("checkpoints.toml", "vit-b16-in21k", OWN | {"file": "x.npz"}),
        ("checkpoints.toml", "sam-l16", OWN | {"file": "x.npz"}),
        ("datasets.toml", "cifar10", FOLDER),
        ("datasets.toml", "digits", FOLDER),
    ],
)
def test_a_name_that_exists_already_is_an_error(tables, table, name, values):
    write(tables / table, name, **values)
    with pytest.raises(ClaimsError, match=f"{name}.*expected a new id, found one"):
        (checkpoints.checkpoints if table == "checkpoints.toml" else entries)()


@pytest.mark.parametrize("name", ["../../x", "a/b", ".hidden", "", "a b", "é", "a\\nb", "x" * 101])
@pytest.mark.parametrize("table", ["checkpoints", "datasets", "recipes"])
def test_an_id_that_could_not_name_a_file_is_one_line(table, name, tables):
    values = {"checkpoints": OWN | {"file": "x.npz"}, "datasets": FOLDER, "recipes": {"based_on": "micro"}}[table]
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
    (tables / f"{table}.toml").write_text(f'["{name}"]\n{lines}')
    read = {"checkpoints": checkpoints.checkpoints, "datasets": entries, "recipes": recipes.recipes}[table]
    with pytest.raises(ClaimsError, match=r"expected an id of at most 100 letters, digits, '.', '_' and '-'") as caught:
        read()
    assert f"{table}.toml [" in str(caught.value)
    assert str(caught.value).endswith("rename it")


@pytest.mark.parametrize("name", ["Mine", "my_own-1.5", "_x", "-1", "2024"])
def test_an_id_may_have_these(name, tables):
    write(tables / "datasets.toml", f'"{name}"', **FOLDER)
    assert entries()[name].title == "Mine"


@pytest.mark.parametrize("name", ["../../x.zip", "/etc/x.zip", ".x", "a/b.zip"])
def test_a_file_that_would_be_fetched_elsewhere_is_refused(name, tables):
    (tables / "datasets.toml").write_text(
        "[mine]\n"
        + "".join(f"{key} = {json.dumps(value)}\n" for key, value in FOLDER.items())
        + f"[mine.files]\n'{name}' = ''\n"
    )
    with pytest.raises(ClaimsError, match=r"datasets.toml \[mine\]: .* expected names of files without a folder"):
        entries()


def test_a_folder_in_the_place_of_a_table_is_one_line(tables):
    (tables / "checkpoints.toml").mkdir()
    with pytest.raises(ClaimsError, match=r"checkpoints.toml: expected a TOML file, found: Is a directory"):
        checkpoints.checkpoints()


EACH = """
["net-{size}-{task}"]
family = "vit"
architecture = "ViT-{size}"
pretrained_on = "Mine"
layout = "vit-npz"
tuned_on = "{dataset}"
sources = ["https://example.org/{size}-{task}.npz"]
["net-{size}-{task}".each]
size = ["S", "B"]
"""


def test_a_table_with_each_stands_for_every_combination_and_words_that_belong_together_stay_together(tables):
    words = 'task = [{ task = "dtd", dataset = "textures" }, { task = "xpos", dataset = "location" }]\n'
    (tables / "checkpoints.toml").write_text(EACH + words)
    found = read_specs(tables / "checkpoints.toml", Checkpoint)
    assert [(name, each.architecture, each.tuned_on, each.sources) for name, each in found.items()] == [
        ("net-s-dtd", "ViT-S", "textures", ("https://example.org/S-dtd.npz",)),
        ("net-s-xpos", "ViT-S", "location", ("https://example.org/S-xpos.npz",)),
        ("net-b-dtd", "ViT-B", "textures", ("https://example.org/B-dtd.npz",)),
        ("net-b-xpos", "ViT-B", "location", ("https://example.org/B-xpos.npz",)),
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ('task = [{ task = "dtd" }]', r"expected only \{size\}, \{task\} in braces, found: 'dataset'"),
        ('task = [{ task = "dtd", dataset = 3 }]', "each: expected a table of lists of text"),
        ("task = [3]", "each: expected a table of lists of text"),
        ('task = "dtd"', "each: expected a table of lists of text"),
    ],
)
def test_words_that_are_missing_or_no_text_are_refused(tables, words, message):
    (tables / "checkpoints.toml").write_text(EACH + words)
    with pytest.raises(ClaimsError, match=message):
        read_specs(tables / "checkpoints.toml", Checkpoint)
