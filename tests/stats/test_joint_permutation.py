"""Joint permutation tests: against scipy's and enumeration by hand, and as rare as they say without a difference."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from harness.stats.estimate import Undefined
from harness.stats.joint_permutation import exchange_examples, exchange_networks
from tests.stats.scored_specifications import generator, random_scores, scores


def test_one_specification_over_examples_is_the_sign_flip_test_of_scipy():
    one = random_scores(generator(3), networks=2, n=12, gain=0.15)
    a, b = one.a.mean(axis=0), one.b.mean(axis=0)
    exact = scipy.stats.permutation_test(
        (a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf, alternative="greater"
    )
    found = exchange_examples([one], generator(1), draws=40_000)
    assert 0.01 < exact.pvalue < 0.9
    assert found.median.greater == pytest.approx(exact.pvalue, abs=0.01)
    # Ties count on both sides.
    assert found.median.greater + found.median.less >= 1
    assert not found.exact
    assert found.smallest == 1 / 40_000


def test_one_specification_over_networks_is_the_exact_permutation_test_of_scipy():
    one = random_scores(generator(5), networks=3, n=40, gain=0.1)
    exact = scipy.stats.permutation_test(
        (one.a.mean(axis=1), one.b.mean(axis=1)),
        lambda x, y, axis=-1: np.mean(x, axis=axis) - np.mean(y, axis=axis),
        n_resamples=np.inf,
        alternative="greater",
        vectorized=True,
    )
    found = exchange_networks([one], generator())
    assert (found.exact, found.relabellings, found.smallest) == (True, 20, 0.05)
    assert found.median.greater == pytest.approx(exact.pvalue)


def test_blocks_of_networks_are_relabelled_independently():
    # Two corpora with two networks a side: 6 x 6 relabellings, each gone through by hand here.
    rng = generator(7)
    first = random_scores(rng, networks=2, n=30, gain=0.2)
    second = replace(random_scores(rng, networks=2, n=30, gain=0.1), networks_a=("c0", "c1"), networks_b=("d0", "d1"))
    third = replace(random_scores(rng, networks=2, n=30), networks_a=("c0", "c1"), networks_b=("d0", "d1"))

    def effects(one):
        rows = np.concatenate([one.a, one.b]).mean(axis=1)
        for pair in itertools.combinations(range(4), 2):
            rest = [i for i in range(4) if i not in pair]
            yield rows[list(pair)].mean() - rows[rest].mean()

    medians = [
        np.median([one, two, three])
        for one in effects(first)
        for two, three in zip(effects(second), effects(third), strict=True)
    ]
    seen = np.median([first.effect, second.effect, third.effect])
    found = exchange_networks([first, second, third], generator())
    assert found.relabellings == 36
    assert found.median.greater == pytest.approx(np.mean([median >= seen - 1e-9 for median in medians]))
    assert found.median.less == pytest.approx(np.mean([median <= seen + 1e-9 for median in medians]))
    drawn = exchange_networks([first, second, third], generator(), most=35)
    assert not drawn.exact
    assert drawn.median.greater == pytest.approx(found.median.greater, abs=0.2)


def test_rows_are_matched_by_their_network_not_by_their_place():
    one = random_scores(generator(11), networks=3, gain=0.1)
    turned = replace(one, name="two", a=one.a[::-1], networks_a=one.networks_a[::-1])
    assert exchange_networks([one, turned], generator()).median == exchange_networks([one], generator()).median


@pytest.mark.parametrize("test", [exchange_examples, exchange_networks])
def test_a_specification_that_is_repeated_adds_no_evidence(test):
    one = random_scores(generator(13), gain=0.05)
    once, ten_times = test([one], generator(2)), test([one] * 10, generator(2))
    assert once == ten_times


@pytest.mark.parametrize("test, size", [(exchange_examples, 400), (exchange_networks, None)])
def test_without_a_difference_small_p_values_are_as_rare_as_they_say(test, size):
    ps = []
    for seed in range(300):
        rng = generator(seed)
        # Three specifications that share most of their noise, as recipes on the same networks do.
        right = rng.random(50)
        base = random_scores(rng, n=50)
        listed = []
        for _ in range(3):
            keep = rng.random(base.a.shape) < 0.7
            listed.append(
                replace(
                    base,
                    a=np.where(keep, base.a, rng.random(base.a.shape) < right),
                    b=np.where(keep, base.b, rng.random(base.b.shape) < right),
                )
            )
        found = test(listed, rng, size) if size else test(listed, rng)
        ps.append((found.median.greater, found.share.greater, found.mean_z.greater, found.median.less))
    rejected = (np.array(ps) <= 0.05).mean(axis=0)
    # Binomial: 300 tests at 5 % reject in 2.9 to 8.3 % with probability 0.99; a discrete statistic in fewer.
    assert (rejected <= 0.083).all()
    assert rejected[0] >= 0.02


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: exchange_examples([scores([1, 0], [0, 0]), scores([1], [0])], generator()),
            r"on one test set, found \[1, 2\] examples",
        ),
        (lambda: scores([1, 0], [1, 0, 0]), r"one: expected scores .* found \(1, 2\) and \(1, 3\)"),
        (lambda: scores([1, 0], [1, 0], networks=("a", "a")), "no name twice"),
        (lambda: exchange_examples([scores([1], [0])], generator(), 0), "at least one draw, found 0"),
        (
            lambda: exchange_networks([scores([1], [0]), scores([1], [0], networks=("a", "c"))], generator()),
            "each is on one side of one block",
        ),
    ],
)
def test_what_can_not_be_relabelled_is_refused(make, message):
    with pytest.raises(Undefined, match=message):
        make()
