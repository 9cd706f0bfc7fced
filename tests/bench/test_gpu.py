"""What is measured on a GPU, where there is none: the parts, and what they are made of."""

import pytest
import torch

from bench import gpu, gpu_tests, parts
from bench.large import LARGE
from harness.models.npz_layout import describe
from harness.training.torch.fused import suits


def test_one_row_says_that_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (part,) = parts.parts_of("bench.gpu", 2)
    (row,) = part.rows()
    assert "no CUDA device" in row.note


def test_the_most_important_parts_come_first_and_every_way_is_measured(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    found = parts.parts_of("bench.gpu", 2)
    names = [part.name for part in found]
    assert len(set(names)) == len(names)
    assert names[0] == "tests on the GPU"
    assert names[2] == "ViT-L/16 at 224, batch 32, plain"
    measured = [(one, how) for one in LARGE for how in gpu.VARIANTS]
    assert {f"{one.title}, {how.name}" for one, how in measured} <= set(names)
    assert all(part.alone == part.name.endswith("in JAX") for part in found)
    assert all(part.seconds > 0 for part in found)


def test_the_fused_way_of_every_network_is_measured_by_fused_kernels():
    assert all(suits(large.recipe, large.name.startswith("BiT")) for large in LARGE)
    assert {large.recipe.clip_norm for large in LARGE} == {1.0, None}  # the paper's ViT is clipped


@pytest.mark.parametrize(("most", "batch", "part"), [(512, 512, 512), (200, 512, 128), (1, 7, 1), (5, 7, 1)])
def test_a_part_divides_the_batch(most, batch, part):
    assert gpu.fitting(most, batch) == part


def test_tests_are_counted_and_what_failed_is_named(tmp_path):
    (tmp_path / "test_some.py").write_text("def test_good(): pass\n\n\ndef test_bad(): assert 0, 'why'\n")
    found = list(gpu_tests.rows(str(tmp_path), "not other"))
    assert (found[0].value, found[0].note) == (1, "1 failed")
    assert any("test_bad" in row.note for row in found[2:])
    nothing = list(gpu_tests.rows(str(tmp_path / "nowhere"), ""))
    assert nothing[0].value == 0
    assert "exit 4" in nothing[-1].note


def test_random_weights_are_those_of_the_architecture():
    from bench.cases import SMALL_BIT, SMALL_VIT
    from bench.weights import random_weights

    for architecture in (SMALL_BIT, SMALL_VIT):
        assert describe(random_weights(architecture)) == architecture
        again = random_weights.__wrapped__(architecture)
        assert all((again[key] == array).all() for key, array in random_weights(architecture).items())
