"""The tests of the ViT paper's folder: its tables are the current ones. Left out where that folder was taken away."""

import pytest

from claims.conftest import checkpoint_file, dataset_data, dataset_parts
from tests.claims import PAPER

__all__ = ["checkpoint_file", "dataset_data", "dataset_parts"]


@pytest.fixture(autouse=True, scope="module")
def the_vit_paper():
    """Here, and in processes that tests start, the ViT paper is the current one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIT_CLAIMS_PAPER", str(PAPER))
        yield
