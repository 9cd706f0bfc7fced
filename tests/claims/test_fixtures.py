"""The fixtures that claim suites may ask for: verified files and data, unknown names in one line."""

import hashlib

import pytest

from harness.catalog.checkpoints import checkpoint
from harness.core.errors import ClaimsError
from tests.evidence.released.making import tables


def test_checkpoint_file_is_the_pinned_one(checkpoint_file):
    content = checkpoint_file("micro-vit-l").read_bytes()
    assert hashlib.sha256(content).hexdigest() == checkpoint("micro-vit-l").sha256


def test_datasets_are_whole(dataset_data):
    assert len(dataset_data("digits").test) == 797


def test_real_datasets_are_counted(dataset_parts, tmp_path, monkeypatch):
    monkeypatch.setenv("VIT_CLAIMS_TABLES", str(tables(tmp_path / "tables")))
    found = dataset_parts("stripes")
    assert (len(found.train), len(found.test)) == (40, 30)
    with pytest.raises(ClaimsError, match="nowhere: expected its images in"):
        dataset_parts("nowhere")


def test_unknown_names_are_one_line(checkpoint_file, dataset_data):
    with pytest.raises(ClaimsError, match=r"unknown checkpoint 'micro-vit-xl' \(did you mean 'micro-vit-"):
        checkpoint_file("micro-vit-xl")
    with pytest.raises(ClaimsError, match=r"unknown dataset 'digitz' \(did you mean 'digits'\?\)"):
        dataset_data("digitz")
