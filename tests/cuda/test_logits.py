"""A GPU's logits and predictions are the CPU's, as far as the precision goes."""

import pytest

from tests.cuda import small

pytestmark = pytest.mark.cuda
WITHIN = {"float32": 1e-4, "bfloat16": 0.05, "float16": 0.01}
"""Of the largest logit. TF32 would differ by more than float32 may; bfloat16 has 8 bits in each of many layers."""


def logits(made, memory_format):
    """Return a case's logits of its test images in the recipe's precision."""
    import torch

    from harness.training.torch.inputs import laid_out, to_inputs

    here, model = small.model_of(made)
    model.to(memory_format=memory_format).eval()
    images = to_inputs(made.data.test.array()[:64], small.SIDE, made.run.recipe).to(here.device)
    with torch.inference_mode(), here.autocast():
        return model(laid_out(images, memory_format)).float().cpu().numpy()


@pytest.mark.parametrize("layout", ["contiguous_format", "channels_last"])
@pytest.mark.parametrize("family", small.FAMILIES)
def test_logits_are_the_cpus(family, layout):
    import torch

    memory_format = getattr(torch, layout)
    expected = logits(small.case(family), torch.contiguous_format)
    assert expected.std(axis=0).max() > 0.01 * abs(expected).max()  # images are told apart
    found = {precision: logits(small.case(family, "cuda", precision=precision), memory_format) for precision in WITHIN}
    for precision, tolerance in WITHIN.items():
        small.assert_close(found[precision], expected, tolerance)
    for precision in WITHIN.keys() - {"float32"}:
        assert abs(found[precision] - found["float32"]).max() > 0  # it is computed in that


@pytest.mark.parametrize("family", small.FAMILIES)
def test_predictions_are_the_cpus(family):
    from harness.training.torch.evaluation import evaluate

    predicted = {}
    for device in ("cpu", "cuda"):
        made = small.case(family, device)
        here, model = small.model_of(made)
        predicted[device] = evaluate(model, made.data.test, made.run.recipe, here, family)
    if family != "bit":  # random weights of a BiT prefer one class; its logits are compared above
        assert len(set(predicted["cpu"].tolist())) > 1
    assert (predicted["cuda"] != predicted["cpu"]).mean() <= 0.01  # of 200: two near ties
