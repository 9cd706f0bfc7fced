"""What a run gives where logits are not finite: a divergence or a refusal, never a class."""

from dataclasses import replace

import numpy as np
import pytest

from harness.core.errors import ClaimsError
from harness.data.readers import synthetic
from harness.data.splits import Data, Split, batch_indices
from harness.training.api import Execution, backend
from tests.training.tiny import data_of, run, weights_of

FRAMEWORKS = ["torch", "jax"]
FAMILIES = ["micro-vit-s", "micro-bit-s"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", FAMILIES)
def test_an_update_that_ruins_the_weights_after_the_last_loss_is_a_divergence(name, framework):
    a_run = run(name, framework, steps=1, learning_rate=3.4e38, clip_norm=None, warmup_steps=0)
    outcome = backend(framework)(a_run, weights_of(a_run), data_of(a_run), Execution())
    assert np.isfinite(outcome.losses).all()
    assert outcome.diverged.step == len(outcome.losses) == 1
    assert outcome.diverged.learning_rate == 3.4e38
    assert outcome.diverged.examples == tuple(batch_indices(50, 16, 0, 3))
    assert outcome.predictions.size == 0
    assert str(outcome.diverged) == "logits were not finite after 1 steps (last learning rate 3.4e+38)"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_checkpoint_whose_logits_overflow_is_not_scored(framework):
    a_run = run("micro-vit-s", framework, steps=0, learning_rate=None, learning_rates="", warmup_steps=0)
    split = Split(synthetic.read("digits").test.images[:30], np.zeros(30, np.int64))
    asked = replace(a_run, dataset=replace(a_run.dataset, test=30))
    weights = weights_of(a_run)
    weights["head/kernel"] = np.full_like(weights["head/kernel"], 3e38)
    message = (
        r"micro-vit-s .*: expected finite logits, found others for 30 of 30 images in float32; use another checkpoint"
    )
    with pytest.raises(ClaimsError, match=message):
        backend(framework)(asked, weights, Data(split.take_none(), split), Execution())
