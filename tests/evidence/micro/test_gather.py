"""What the micro study gathers: which runs it rests on, and that verdicts follow from those runs' examples."""

import json

import numpy as np
import pytest
import scipy.stats

from harness.core.claim import Claim
from harness.core.hypotheses import Better, Contender, Increasing
from harness.core.paper import paper
from harness.core.result import Result
from harness.evidence.micro import gather as micro
from harness.evidence.micro.proxies import checkpoint_of, proxies
from harness.evidence.questions import answer, questions

CLAIM = Claim(id="c", title="t", quote="q", source="s")
VIT, BIT = Contender("ViT-L/16", "ImageNet-21k"), Contender("BiT-R152x4", "ImageNet-21k")


class Results:
    """A provider of results: so many of 1,000 examples right, by (checkpoint, number of the seed)."""

    def __init__(self, hits):
        self.hits = hits

    def results_for(self, runs):
        made = []
        for run in runs:
            n, right = run.dataset.test, int(self.hits(run.checkpoint.id, proxies().judged.index(run.seed)))
            made.append(Result(run.id, tuple(int(i >= right) for i in range(n)), (0,) * n, (), 1.0, 1.0, 1, ()))
        return made


def micro_question(hypothesis):
    return next(q for q in questions(CLAIM, [hypothesis]) if str(q.source) == "micro")


def test_a_comparison_is_paired_by_seed_on_the_mapped_checkpoints_and_task():
    question = micro_question(Better(VIT, than=BIT, on="cifar10"))
    noise = np.array([3, -2, 5, 1, -4, 2, 0, -1])
    verdict = answer(
        question, Results(lambda name, seed: 900 + 10 * noise[seed] + 8 * (name == "micro-vit-m") + noise[seed - 1])
    )
    # The shared noise of a seed cancels; what is left is the difference of 8 in 1,000 on every seed.
    assert verdict.verdict == "INCONCLUSIVE"
    assert "no spread" in verdict.reason
    unpaired = Results(lambda name, seed: 900 + (8 + 3 * noise[seed]) * (name == "micro-vit-m"))
    verdict = answer(question, unpaired)
    expected = scipy.stats.ttest_1samp((8 + 3 * noise) / 10, 0)
    low, high = expected.confidence_interval(1 - question.alpha)
    assert (verdict.estimate, verdict.low, verdict.high) == pytest.approx((np.mean((8 + 3 * noise) / 10), low, high))
    assert verdict.p == pytest.approx(expected.pvalue)
    assert len(verdict.runs) == 16 == len(set(verdict.runs))
    assert verdict.task.startswith("orientation: ")
    assert [side.seeds for side in verdict.sides] == [8, 8]


def test_a_rise_is_judged_step_by_step():
    sets = ("ImageNet-1k", "ImageNet-21k", "JFT-300M")
    question = micro_question(Increasing(tuple(Contender("ViT-L/16", s) for s in sets), on="pets"))
    level = {"micro-vit-s": 300, "micro-vit-m": 500, "micro-vit-l": 450}
    verdict = answer(question, Results(lambda name, seed: level[name] + seed * (name[-1] == "l")))
    assert verdict.verdict == "REFUTED"
    assert verdict.reason.startswith("ViT-L/16 (JFT-300M) minus ViT-L/16 (ImageNet-21k): -5.83 ")
    assert len(verdict.runs) == 24


def test_every_run_uses_the_rate_that_was_chosen_and_only_judged_seeds():
    rates = json.loads((paper().folder / "micro" / "learning_rates.json").read_text())["chosen"]
    for runs in micro.runs(Better(VIT, than=BIT, on="flowers102")).values():
        for run in runs.runs:
            assert run.recipe.learning_rate == rates[run.checkpoint.id][run.dataset.id]
            assert run.split == "test"
    assert not set(proxies().judged) & set(proxies().development)


@pytest.mark.parametrize(
    "contender, expected",
    [
        (Contender("ViT-L/16", "JFT-300M"), "micro-vit-l"),
        (Contender("BiT-R152x4", "ImageNet-1k"), "micro-bit-s"),
        (Contender("R50+ViT-B/16", "ImageNet-21k"), "micro-hybrid-m"),
        (Contender("ViT-L/16", "ImageNet-21k", "augreg"), None),
        (Contender("ViT-H/14", "JFT-300M"), None),
    ],
)
def test_proxies(contender, expected):
    assert checkpoint_of(contender) == expected
