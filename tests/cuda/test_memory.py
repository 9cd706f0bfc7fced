"""A batch that does not fit into a GPU's memory is split, and the update is the same."""

import pytest

from tests.cuda import small

pytestmark = pytest.mark.cuda


def limited(share):
    """Allow this process what it holds, and a share of what a step took at its peak beside that."""
    import torch

    from harness.training.torch.memory import free

    peak = torch.cuda.max_memory_allocated()
    free()
    allowed = torch.cuda.memory_reserved() + share * peak
    torch.cuda.set_per_process_memory_fraction(allowed / torch.cuda.get_device_properties(0).total_memory)


@pytest.mark.parametrize("family", ["vit", "bit"])
def test_what_does_not_fit_is_tried_again_in_parts(family):
    import torch

    made = small.case(family, "cuda", n=512, batch=512, steps=3)
    torch.cuda.reset_peak_memory_stats()
    whole, weights = small.trained(made)
    assert whole.micro_batch is None
    limited(0.45)
    done, found = small.trained(made)
    assert 1 <= (done.micro_batch or 512) < 512
    small.assert_close(done.losses, whole.losses, 1e-4)
    small.assert_close(found, weights, 1e-3)


def test_an_evaluation_that_does_not_fit_is_made_in_parts():
    import torch

    from harness.training.torch.evaluation import evaluate

    made = small.case("bit", "cuda", tests=256)
    here, model = small.model_of(made)
    torch.cuda.reset_peak_memory_stats()
    whole = evaluate(model, made.data.test, made.run.recipe, here, "whole")
    limited(0.6)
    found = evaluate(model, made.data.test, made.run.recipe, here, "parts")
    assert (found != whole).mean() <= 0.01


def test_too_little_for_one_example_is_one_line():
    import torch

    from harness.core.errors import TooLittleMemory
    from harness.training.api import Execution
    from harness.training.torch.engine import fine_tune

    made = small.case("bit", "cuda")
    torch.cuda.set_per_process_memory_fraction(8e6 / torch.cuda.get_device_properties(0).total_memory)
    with pytest.raises(TooLittleMemory, match="expected memory"):
        fine_tune(made.run, made.weights, made.data, Execution("cuda"))
