"""Which publications can judge a hypothesis, and what they say of it."""

from dataclasses import replace

import pytest
import scipy.stats

from harness.core.claim import Claim
from harness.core.hypotheses import Better, Close, Contender
from harness.core.source import Source
from harness.evidence.published.gather import PublishedFigures, publications_judging
from harness.judging.judge import judge
from harness.judging.question import Question

CLAIM = Claim(id="c", title="t", quote="q", source="s")


def judged(hypothesis, publication):
    question = Question(CLAIM, hypothesis, Source("published", publication), alpha=0.05)
    return judge(question, PublishedFigures().gather(question))


def test_published_better_combines_test_set_and_seed_uncertainty():
    # Table 2, ImageNet, JFT-300M: 88.1 ± 0.05 and 87.9 ± 0.04 over three runs, 50,000 images.
    hypothesis = Better(Contender("ViT-L/16", "JFT-300M"), than=Contender("BiT-R152x4", "JFT-300M"), on="imagenet")
    assert publications_judging(hypothesis) == ("small-pictures/table-2",)
    found = judged(hypothesis, "small-pictures/table-2")
    variance = 0.881 * 0.119 / 50_000 + 0.0005**2 / 3 + 0.879 * 0.121 / 50_000 + 0.0004**2 / 3
    low, high = scipy.stats.norm.interval(0.95, 0.2, 100 * variance**0.5)
    assert found.verdict == "INCONCLUSIVE"
    assert (found.estimate, found.low, found.high) == pytest.approx((0.2, low, high))
    assert "Table 2" in found.citations[0]
    assert found.runs == ()


def test_a_publication_that_lacks_a_side_gives_no_verdict_and_several_give_one_each():
    better = Better(Contender("ViT-L/16", "ImageNet-21k"), than=Contender("BiT-R152x4", "ImageNet-21k"), on="imagenet")
    assert "small-pictures/table-2" not in publications_judging(better)
    assert {"course", "csv/384-vs-480"} < set(publications_judging(better))
    assert publications_judging(replace(better, than=Contender("Nobody", "JFT-300M"))) == ()


def test_close_is_not_judged_by_the_paper_itself_nor_by_a_recipe_without_a_tolerance():
    close = Close(Contender("ViT-L/16", "ImageNet-21k"), to=99.0, on="cifar10", within={"code": 0.5})
    assert publications_judging(close)
    assert not any(p.startswith(("small-pictures", "course")) for p in publications_judging(close))
    with_notebook = replace(close, within=(("notebook", 1.0),))
    assert publications_judging(with_notebook) == ("course",)
    found = judged(with_notebook, "course")
    assert found.tolerance == 1.0
