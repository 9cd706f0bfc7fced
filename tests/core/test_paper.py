"""A paper's folder: what its names mean, and which folder is the current one."""

import pytest

from harness.core.errors import ClaimsError
from harness.core.paper import Head, folder_of, members, nearest, paper, read_paper, using

TEXT = """
title = "A paper"
[images]
flowers102 = ["flowers"]
real = ["photos", "real-labels"]
[groups]
many = ["one", "two"]
[measured_by]
five_shot = "fewshot-5"
[heads.photos]
classes = 1000
scored = ["photos", "real"]
training = "photos-train"
"""


def folder(place, text=TEXT):
    place.mkdir(parents=True, exist_ok=True)
    (place / "paper.toml").write_text(text)
    return place


def test_names_of_datasets_mean_what_the_folder_says(tmp_path):
    found = read_paper(folder(tmp_path))
    assert (found.images_of("real"), found.images_of("pets")) == (("photos", "real-labels"), ("pets",))
    assert (found.members_of("many"), found.members_of("one")) == (("one", "two"), ("one",))
    assert (found.measured_by_on("five_shot"), found.measured_by_on("one")) == ("fewshot-5", "")


def test_a_group_is_known_by_its_members_and_measures_each_of_them(tmp_path):
    place = folder(tmp_path, TEXT.replace('five_shot = "fewshot-5"', 'five_shot = "fewshot-5"\nmany = "whole"'))
    found = read_paper(place)
    assert [found.measured_by_on(name) for name in ("one", "two", "many", "three")] == ["whole"] * 3 + [""]
    assert (found.group_of(("two", "one")), found.group_of(("one",)), found.group_of(())) == ("many", "", "")
    assert members(place / "test_claim.py", "many") == ("one", "two")
    with pytest.raises(ClaimsError, match=r"paper.toml: unknown group 'mani' \(did you mean 'many'\?\)"):
        members(place / "test_claim.py", "mani")


def test_a_head_is_known_by_its_classes_and_by_what_is_scored_with_it(tmp_path):
    found, head = read_paper(folder(tmp_path)), Head(1000, scored=("photos", "real"), training="photos-train")
    assert found.head_of(1000) == found.scored_by("real") == head
    assert found.head_of(10) is found.head_of(None) is found.scored_by("pets") is None


def test_a_folder_without_a_table_has_no_names(tmp_path):
    found = read_paper(tmp_path)
    assert (found.folder, found.title, found.groups) == (tmp_path, "", ())
    assert found.table("recipes.toml") is None


def test_tables_are_the_papers_and_its_micro_studys(tmp_path):
    folder(tmp_path)
    for name in ("recipes.toml", "micro/recipes.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert read_paper(tmp_path).tables("recipes.toml") == (tmp_path / "recipes.toml", tmp_path / "micro/recipes.toml")
    assert read_paper(tmp_path).tables("datasets.toml") == ()


def test_a_table_that_was_changed_is_read_again(tmp_path):
    import os

    assert read_paper(folder(tmp_path)).title == "A paper"
    folder(tmp_path, 'title = "Another"')
    os.utime(tmp_path / "paper.toml", (1, 1))
    assert read_paper(tmp_path).title == "Another"


@pytest.mark.parametrize(
    "text, message",
    [
        ('titel = "x"', "paper.toml: unknown key 'titel' .did you mean 'title'"),
        ('folder = "x"', "unknown key 'folder'; the paper is the folder that paper.toml lies in"),
        ('address = "example.org"', "paper.toml: address: "),
        ("[groups]\nmany = 3", "paper.toml: groups"),
        ("[defaults]\nseeds = 0", r"paper.toml \[defaults\]: seeds"),
    ],
)
def test_a_malformed_table_is_one_line(tmp_path, text, message):
    with pytest.raises(ClaimsError, match=message) as caught:
        read_paper(folder(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_one_paper_is_the_current_one_meanwhile(tmp_path):
    first, second = folder(tmp_path / "first"), folder(tmp_path / "second", 'title = "Second"')
    before = paper().folder
    with using(first):
        with using(second):
            assert paper().title == "Second"
            with using(None):
                assert paper().folder == second
        assert paper().folder == first
    assert paper().folder == before


def test_a_configured_folder_must_be_a_papers(tmp_path, monkeypatch):
    monkeypatch.setenv("VIT_CLAIMS_PAPER", str(tmp_path))
    with pytest.raises(ClaimsError, match=r"VIT_CLAIMS_PAPER: expected a folder with a paper.toml, found none at"):
        paper()
    folder(tmp_path)
    assert paper().folder == tmp_path


def test_the_nearest_paper_is_here_above_or_in_a_folder_of_claims(tmp_path):
    here = folder(tmp_path / "project" / "claims")
    inside = tmp_path / "project" / "src" / "deep"
    inside.mkdir(parents=True)
    assert nearest(str(inside)) == nearest(str(here)) == here
    assert folder_of(here / "test_claim1.py") == here
    assert folder_of(inside / "test_claim1.py") is None
