"""Fine-tuned results are believed only where released, fine-tuned weights give what others measured."""

from dataclasses import replace

import pytest

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import unpinned_dataset
from harness.core.errors import ClaimsError
from harness.core.hypotheses import Contender
from harness.core.result import Result
from harness.evidence.released import pipeline_check
from harness.evidence.released.pipeline_check import checks, gather_checks, require, trial_of
from harness.evidence.released.trial import Material, trial
from harness.judging.evidence import PipelineCheck
from tests.evidence.released.test_gather import Closed


def result(correct, n=10_000, run_id="r"):
    return Result(run_id, tuple(int(i >= correct) for i in range(n)), (0,) * n, (), 1.0, 1.0, 1, ())


def test_a_check_evaluates_released_weights_of_its_family_at_their_own_side():
    assert set(checks()) == {"vit", "bit"}
    for family, check in checks().items():
        found = trial_of(check)
        assert found.checkpoint.family == family
        assert found.checkpoint.classes == 1000
        assert found.recipe.evaluates_only
        assert found.recipe.side == found.checkpoint.resolution


def test_released_weights_must_give_what_others_measured():
    check = checks()["vit"]  # 85.158 within 0.5
    require(check, result(8_480))
    require(check, result(8_550))
    with pytest.raises(ClaimsError, match=r"pipeline check: expected vit-l16-in21k-in1k-384 to give 85.16 .* found 75"):
        require(check, result(7_500))


@pytest.mark.parametrize("correct, believed", [(8_480, True), (7_500, False)])
def test_nothing_fine_tuned_is_believed_before_the_pipeline_check(correct, believed, monkeypatch):
    fine_tuned = trial(Contender("ViT-L/16", "ImageNet-21k"), "cifar10", "notebook")
    here = Material(
        replace(checkpoint("vit-l16-in21k-in1k-384"), sha256="a" * 64), unpinned_dataset("imagenet", train=False)
    )
    monkeypatch.setattr(pipeline_check, "material", lambda of, fetch: here)  # 50,000 images are not made for a test
    asked = []

    class Here(Closed):
        def results_for(self, runs):
            asked.extend(runs)
            return [result(correct, run_id=run.id) for run in runs]

    if believed:
        (check,) = gather_checks([fine_tuned], Here(), "torch")
        assert (check.family, check.accuracy) == ("vit", pytest.approx(84.8))
    else:
        with pytest.raises(ClaimsError, match="pipeline check: expected vit-l16-in21k-in1k-384 to give 85.16"):
            gather_checks([fine_tuned], Here(), "torch")
    assert [(run.checkpoint.id, run.recipe.id, run.seed) for run in asked] == [
        ("vit-l16-in21k-in1k-384", "evaluate", 0)
    ]


def test_where_the_check_cannot_be_made_it_is_said(monkeypatch):
    def missing(of, fetch):
        raise ClaimsError("not here")

    monkeypatch.setattr(pipeline_check, "material", missing)
    fine_tuned = trial(Contender("BiT-R152x4", "ImageNet-21k"), "pets", "notebook")
    (check,) = gather_checks([fine_tuned], Closed(), "torch")
    assert check == PipelineCheck("bit", "bit-m-r152x4-in1k", "imagenet", accuracy=None)
    evaluated = trial(Contender("BiT-R152x4", "ImageNet-21k"), "imagenet", "notebook")
    assert gather_checks([evaluated], Closed(), "torch") == ()
