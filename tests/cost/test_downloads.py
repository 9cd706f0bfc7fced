from dataclasses import replace
from pathlib import Path

import pytest

from harness.catalog.checkpoints import checkpoint
from harness.cost.downloads import Download, downloads, of_checkpoint, of_dataset
from harness.cost.table import of_downloads
from harness.data.registry import entries


@pytest.fixture(autouse=True)
def empty_home(tmp_path, monkeypatch):
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("VIT_CLAIMS_WEIGHTS", raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)


def test_a_checkpoint_takes_about_four_bytes_per_parameter_until_it_is_here(tmp_path):
    found = of_checkpoint(checkpoint("vit-l16-in21k"), tmp_path)
    # arXiv:2010.11929, table 1: ViT-L has 307 M parameters; its head of ImageNet-21k has 22 M more.
    assert found.bytes == pytest.approx(4 * (307e6 + 22e6), rel=0.02)
    assert (found.about, found.here) == (True, False)
    file = tmp_path / "files" / "vit-l16-in21k" / "weights"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    assert of_checkpoint(checkpoint("vit-l16-in21k"), tmp_path) == Download("checkpoint", "vit-l16-in21k", 0, here=True)


def test_a_shipped_checkpoint_is_here_and_one_that_was_never_released_is_not_asked_for(tmp_path):
    asked = [checkpoint("micro-vit-l"), checkpoint("vit-l16-jft"), checkpoint("micro-vit-l")]
    assert downloads(asked, ["digits-5"], tmp_path) == [Download("checkpoint", "micro-vit-l", 0, here=True)]


def test_a_dataset_takes_its_published_archives(tmp_path):
    assert of_dataset(entries()["pets"], tmp_path) == Download("dataset", "pets", 5_000_000 + 3_000)
    assert of_dataset(entries()["vtab-dtd"], tmp_path).bytes is None  # nothing is published of its size


def test_a_dataset_that_needs_an_account_is_by_hand_and_about_as_large_as_its_archive(tmp_path):
    found = of_dataset(entries()["imagenet"], tmp_path)
    assert (found.bytes, found.about) == (7_000_000, True)
    assert found.note.startswith("by hand: accept the terms")


def test_a_dataset_that_is_here_takes_nothing(tmp_path):
    folder = tmp_path / "home" / "data" / "pets"
    (folder / "images").mkdir(parents=True)
    assert of_dataset(entries()["pets"], tmp_path).here


def test_fine_tuned_files_of_a_network_are_summed_in_one_line():
    files = [
        Download("checkpoint", f"r50-{task}-run{run}", 100_000_000, about=True, network="R50 (K, tuned)")
        for task in "ab"
        for run in range(3)
    ]
    other = Download("checkpoint", "r101-a-run0", None, network="R101 (K, tuned)")
    listed = [*files, other, Download("checkpoint", "vit", 2_000_000), replace(files[0], here=True)]
    assert list(of_downloads(listed)) == [
        "to download: 6 fine-tuned files of R50 (K, tuned), about 0.6 GB",
        "to download: 1 fine-tuned file of R101 (K, tuned), size unknown",
        "to download: checkpoint vit, 2 MB",
        "already here: r50-a-run0",
    ]
    found = of_checkpoint(checkpoint("bit-m-r50x1-vtab-dtd-run0"), Path("nowhere"))
    assert found.network == "BiT-R50x1 (ImageNet-21k, vtab1k)"
    # arXiv:1912.11370: ResNet-50x1, 23.5 M parameters without a head, and one of 47 classes.
    assert found.bytes == pytest.approx(4 * 23.6e6, rel=0.02)
