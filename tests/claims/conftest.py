"""The tests of the ViT paper's folder; where that was taken away there is nothing to test."""

from pathlib import Path

HERE = Path(__file__).parents[2]

if (HERE / "claims").is_dir():
    from claims.conftest import checkpoint_file, dataset_data, dataset_parts

    __all__ = ["checkpoint_file", "dataset_data", "dataset_parts"]
else:
    collect_ignore_glob = ["test_*.py"]
