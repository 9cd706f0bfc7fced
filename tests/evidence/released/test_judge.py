"""What the gpu evidence rests on: the pipeline check, the scores, the caveats, and the agreement of two frameworks."""

from dataclasses import replace

import pytest
import scipy.stats

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import unpinned_dataset
from harness.core.claim import Better, Claim, Contender
from harness.core.errors import ClaimsError, TooLittleMemory
from harness.core.specs import Result, Run
from harness.evidence.released import judge as gpu
from harness.evidence.released.pipeline_check import checks, require, trial_of
from harness.evidence.released.runner import NotComputed
from harness.evidence.released.trial import Material, caveat, material, trial
from harness.judging.judge import Question
from harness.judging.runs import Planned, agreement
from harness.judging.scoring import real_scored, scored
from tests.runs.test_executor import runs

A, B = Contender("A", "ImageNet-21k"), Contender("B", "ImageNet-21k")


def result(correct, n=10_000, run_id="r"):
    return Result(run_id, tuple(int(i >= correct) for i in range(n)), (0,) * n, (), 1.0, 1.0, 1, ())


def test_each_family_of_the_claims_has_a_check_of_released_weights():
    assert set(checks()) == {"vit", "hybrid", "bit"}
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


def test_on_imagenet_a_fine_tuned_checkpoint_is_evaluated_and_any_other_fine_tuned():
    large = Contender("ViT-L/16", "ImageNet-21k", resolution=384)
    evaluated = trial(large, "imagenet_real", "notebook")
    assert (evaluated.checkpoint.id, evaluated.entry.id) == ("vit-l16-in21k-in1k-384", "imagenet")
    assert evaluated.by_real_labels
    assert evaluated.seeds(3) == (0,)
    huge = trial(Contender("ViT-H/14", "ImageNet-21k"), "imagenet", "paper")
    assert (huge.checkpoint.id, huge.entry.id, huge.recipe.id) == ("vit-h14-in21k", "imagenet-train", "paper")
    assert huge.searches
    flowers = trial(Contender("BiT-R152x4", "ImageNet-21k"), "flowers102", "notebook")
    assert (flowers.entry.id, flowers.recipe.id) == ("flowers", "notebook-bit")
    assert flowers.seeds(3) == (0, 1, 2)


def test_another_optimiser_is_said():
    sam = Contender("ViT-B/16", "ImageNet-1k", "sam")
    assert "differ in the optimiser" in caveat((Contender("ViT-B/16", "ImageNet-21k"), sam))
    assert caveat((A, B)) == ""


def test_real_labels_count_any_of_an_image_s_labels_and_leave_out_images_without():
    found = real_scored(result(2, n=5), [[0, 5], [0], [], [0], [0, 1]])  # predictions 0, 0, 1, 1, 1
    assert found.hits == (True, True, False, True)
    assert found.accuracy == 75
    with pytest.raises(ClaimsError, match="expected 3 predictions for the ReaL labels, found 5"):
        real_scored(result(2, n=5), [[0], [0], [0]])
    # Two runs can be paired only on the same scored examples.
    assert found.examples != scored(result(2, n=5)).examples


def agreed(ours, theirs, verdicts=("REPRODUCED", "REPRODUCED"), margin=0.5):
    """Return the agreement of two frameworks on A > B, given the correct predictions of A by seed."""
    claim = Claim(id="c", title="t", quote="q", source="s", not_verifiable={})
    question = Question(claim, Better(A, than=B, on="cifar10"), "gpu/notebook@both", alpha=0.05)
    by_backend = {"torch": ours, "jax": theirs}
    planned, given, said = {}, {}, {}
    base = runs(len(ours))
    for (backend, hits), name in zip(by_backend.items(), verdicts, strict=True):
        of_a = tuple(replace(run, backend=backend) for run in base)
        of_b = tuple(replace(run, backend=backend, checkpoint=checkpoint("micro-bit-l")) for run in base)
        given |= {run.id: result(count, run_id=run.id) for run, count in zip(of_a, hits, strict=True)}
        given |= {run.id: result(9_000 + 7 * i, run_id=run.id) for i, run in enumerate(of_b)}
        planned[backend] = {A: Planned(of_a, "a"), B: Planned(of_b, "b")}
        verdict = gpu.without_figures(question, name, "")
        said[backend] = replace(verdict, sides=(replace_side("a"), replace_side("b")))
    return agreement(question, said, planned, lambda asked: [given[run.id] for run in asked], margin)


def replace_side(name):
    from harness.core.claim import Side

    return Side(name, 90.0, None, None, 10_000, 4)


def test_frameworks_agree_if_every_side_is_equivalent_and_the_verdict_the_same():
    ours, theirs = (9_500, 9_520, 9_490, 9_505), (9_502, 9_518, 9_493, 9_503)
    found = agreed(ours, theirs)
    assert found.verdict == "REPRODUCED"
    differences = [(x - y) / 100 for x, y in zip(ours, theirs, strict=True)]
    # Two one-sided tests, at half the error rate each contender.
    expected = scipy.stats.ttest_1samp(differences, 0).confidence_interval(1 - 2 * 0.05 / 2)
    assert (found.low, found.high) == pytest.approx(tuple(expected))
    assert "torch: REPRODUCED, jax: REPRODUCED" in found.reason
    assert agreed(ours, theirs, ("REPRODUCED", "REFUTED")).verdict == "REFUTED"
    # A difference in significance is no significant difference.
    assert agreed(ours, theirs, ("REPRODUCED", "INCONCLUSIVE")).verdict == "INCONCLUSIVE"


def test_frameworks_that_differ_do_not_agree():
    ours = (9_500, 9_520, 9_490, 9_505)
    assert agreed(ours, (9_300, 9_318, 9_293, 9_303)).verdict == "REFUTED"
    assert agreed(ours, (9_500, 9_320, 9_690, 9_400)).verdict == "INCONCLUSIVE"
    assert agreed(ours, ours).estimate == 0.0
    assert agreed(ours, ours).verdict == "REPRODUCED"


class Closed:
    """A lab with nothing stored that computes nothing."""

    seeds = 3
    fetches = False

    def give(self, asked: list[Run]) -> list[Result]:
        raise NotComputed("no accelerator here")


def test_nothing_here_is_not_run_and_never_released_is_not_verifiable(tmp_path, monkeypatch):
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path))
    monkeypatch.setenv("VIT_CLAIMS_CACHE", str(tmp_path / "cache"))
    claim = Claim(id="c", title="t", quote="q", source="s", not_verifiable={})
    public = Better(Contender("ViT-L/16", "ImageNet-21k"), than=Contender("BiT-R152x4", "ImageNet-21k"), on="cifar10")
    found = gpu.answer(Question(claim, public, "gpu/notebook", 0.05), Closed())
    assert found.verdict == "NOT RUN"
    assert found.reason.startswith("not on this machine: vit-l16-in21k, cifar10, bit-m-r152x4; pytest -m gpu")
    jft = Better(Contender("ViT-L/16", "JFT-300M"), than=Contender("BiT-R152x4", "JFT-300M"), on="cifar10")
    assert gpu.answer(Question(claim, jft, "gpu/notebook", 0.05), Closed()).verdict == "NOT VERIFIABLE"


def test_a_reason_is_one_line_though_a_fetch_tells_of_each_source_in_its_own():
    told = "x/weights: none of 2 sources gave it; or mend what a source lacks:\n  hub:a/b: 404\n  gs://c: refused"
    assert gpu.one_line(told) == (
        "x/weights: none of 2 sources gave it; or mend what a source lacks: hub:a/b: 404; gs://c: refused"
    )


def test_images_to_lay_by_hand_are_missed_before_weights_are_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path))
    monkeypatch.setenv("VIT_CLAIMS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("VIT_CLAIMS_OFFLINE", "1")
    evaluated = trial(Contender("ViT-L/16", "ImageNet-21k", resolution=384), "imagenet", "notebook")
    with pytest.raises(ClaimsError, match="^imagenet: "):
        material(evaluated, fetch=True)


@pytest.mark.parametrize("correct, believed", [(8_480, True), (7_500, False)])
def test_nothing_fine_tuned_is_believed_before_the_pipeline_check(correct, believed, monkeypatch):
    fine_tuned = trial(Contender("ViT-L/16", "ImageNet-21k"), "cifar10", "notebook")
    here = Material(
        replace(checkpoint("vit-l16-in21k-in1k-384"), sha256="a" * 64), unpinned_dataset("imagenet", train=False)
    )
    monkeypatch.setattr(gpu, "material", lambda of, fetch: here)  # 50,000 images are not made for a test
    asked = []

    class Lab(Closed):
        def give(self, runs):
            asked.extend(runs)
            return [result(correct, run_id=run.id) for run in runs]

    contender = fine_tuned.contender
    if believed:
        assert gpu.pipeline_notes({contender: fine_tuned}, Lab(), "torch") == []
    else:
        with pytest.raises(ClaimsError, match="pipeline check: expected vit-l16-in21k-in1k-384 to give 85.16"):
            gpu.pipeline_notes({contender: fine_tuned}, Lab(), "torch")
    assert [(run.checkpoint.id, run.recipe.id, run.seed) for run in asked] == [
        ("vit-l16-in21k-in1k-384", "evaluate", 0)
    ]


def test_where_the_check_cannot_be_made_it_is_said(monkeypatch):
    def missing(of, fetch):
        raise ClaimsError("not here")

    monkeypatch.setattr(gpu, "material", missing)
    fine_tuned = trial(Contender("BiT-R50x1", "ImageNet-21k"), "pets", "notebook")
    (note,) = gpu.pipeline_notes({fine_tuned.contender: fine_tuned}, Closed(), "torch")
    assert note == "the evaluation of bit networks is unchecked, for ImageNet or bit-m-r152x4-in1k is not here"
    evaluated = trial(Contender("BiT-R50x1", "ImageNet-21k"), "imagenet", "notebook")
    assert gpu.pipeline_notes({evaluated.contender: evaluated}, Closed(), "torch") == []


def test_what_does_not_fit_this_machine_is_not_run(monkeypatch):
    weights = replace(checkpoint("vit-l16-in21k-in1k-384"), sha256="a" * 64)
    here = Material(weights, unpinned_dataset("imagenet", train=False))
    monkeypatch.setattr(gpu, "material", lambda of, fetch: here)

    class Small(Closed):
        def give(self, runs):
            raise TooLittleMemory("expected memory to evaluate one image, found too little")

    large, small = (Contender(name, "ImageNet-21k", resolution=384) for name in ("ViT-L/16", "ViT-B/16"))
    claim = Claim(id="c", title="t", quote="q", source="s", not_verifiable={})
    asked = Question(claim, Better(large, than=small, on="imagenet"), "gpu/notebook", 0.05)
    found = gpu.answer(asked, Small())
    assert (found.verdict, found.reason) == ("NOT RUN", "expected memory to evaluate one image, found too little")
