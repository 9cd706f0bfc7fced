"""ReaL labels: read as published, refused where they are malformed or the images have another order."""

import json

import pytest

from harness.catalog.datasets import why_not_here
from harness.core.errors import ClaimsError
from harness.data.imagenet_real import labels_here, labels_not_here, read_real
from harness.data.pinned import spec_of
from harness.data.registry import entries

LABELS = ((3, 5), (), (7,), (1,), ())


def test_file_is_read_as_it_is_published(tmp_path):
    path = tmp_path / "real.json"
    path.write_text(json.dumps([list(labels) for labels in LABELS]))
    assert read_real(path, images=5, labelled=3, classes=8) == LABELS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[[1], [", "expected JSON"),
        ("[" * 200_000, "expected JSON"),
        ('{"a": 1}', "found other JSON"),
        ("[[1], 2]", "found other JSON"),
        ("[[1], [8]]", "image 1: expected class numbers 0 to 7, found 8"),
        ("[[1], [true]]", "found True"),
        ("[[1], [2]]", "expected 5 images, 3 of them labelled, found 2 and 2"),
    ],
)
def test_malformed_files_are_one_line(content, message, tmp_path):
    path = tmp_path / "real.json"
    path.write_text(content)
    with pytest.raises(ClaimsError, match=message) as caught:
        read_real(path, images=5, labelled=3, classes=8)
    assert "\n" not in str(caught.value)


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("VIT_CLAIMS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("VIT_CLAIMS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("VIT_CLAIMS_OFFLINE", "1")


def scored_images(**changed):
    import dataclasses

    spec = spec_of(entries()["imagenet"], "0" * 64, train=False, in_order=True)
    return dataclasses.replace(spec, **{"test": 5, "classes": 8} | changed)


@pytest.mark.parametrize("place", ["cache/files/imagenet-real", "data/imagenet-real"])
def test_the_file_is_found_where_it_was_fetched_or_put(places, tmp_path, place):
    with pytest.raises(ClaimsError, match="imagenet-real/real.json: offline: expected the file in the cache"):
        labels_here(scored_images())
    assert labels_not_here() == "imagenet-real: not on this machine; python -m harness fetch imagenet-real"
    assert why_not_here("imagenet_real").endswith(f"; {labels_not_here()}")
    path = tmp_path / place / "real.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps([list(labels) for labels in LABELS]))
    assert labels_not_here() == ""
    assert labels_here(scored_images()) == LABELS


def test_images_whose_numbers_are_not_known_are_not_scored(places):
    with pytest.raises(ClaimsError, match="imagenet: expected images in the order of their numbers .* found names wit"):
        labels_here(scored_images(numbered=False))
