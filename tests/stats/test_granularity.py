"""Possible accuracies against enumeration, and what impossible ones suggest against figures made on purpose."""

import random

import pytest

from harness.stats.granularity import (
    MOST_DECIMALS,
    always_possible,
    batch_means,
    decimals,
    explanations,
    possible,
    tolerance,
)


@pytest.mark.parametrize(
    "percent, expected",
    [(98.9, 1), (99.42, 2), (84.988, 3), (99.0, 0), (100.0, 0), (0.0, 0), (97.96000000000001, 7), (0.004, 3)],
)
def test_digits_are_those_that_are_left(percent, expected):
    assert decimals(percent) == expected
    assert MOST_DECIMALS == 7


@pytest.mark.parametrize("n, runs", [(37, 1), (37, 2), (61, 1), (797, 1), (30, 3)])
@pytest.mark.parametrize("digits", [1, 2, 3])
def test_possible_figures_are_the_rounded_counts(n, runs, digits):
    total = n * runs
    printed = {round(100 * correct / total, digits) for correct in range(total + 1)}
    for k in range(10**digits * 100 // 7):
        value = round(7 * k * 10.0**-digits, digits)
        if decimals(value) == digits:
            # Halves may be rounded either way, so a neighbour of a count that ends in 5 may be possible, too.
            halves = any(abs(abs(value - 100 * c / total) - 0.5 * 10**-digits) < 1e-9 for c in range(total + 1))
            assert possible(value, n, runs) == (value in printed or halves), value


def test_lost_zeros_make_more_values_possible_never_fewer():
    # 90.90 is no rounding of a count over 3,669 (90.8967 and 90.9240 are next); 90.9 may be.
    assert not any(round(100 * correct / 3669, 2) == 90.91 for correct in range(3670))
    assert not possible(90.91, 3669)
    assert possible(90.9, 3669)


@pytest.mark.parametrize("percent, n, runs, expected", [(99.4, 10_000, 1, True), (94.73, 3669, 1, False)])
def test_few_digits_say_nothing(percent, n, runs, expected):
    assert always_possible(percent, n, runs) == expected
    step = 10.0 ** -decimals(percent)
    around = [possible(round(percent + k * step, 4), n, runs) for k in range(-50, 50)]
    assert all(around) == expected


def mean_of_batch_means(hits, batch):
    means = [sum(hits[at : at + batch]) / len(hits[at : at + batch]) for at in range(0, len(hits), batch)]
    return sum(means) / len(means)


@pytest.mark.parametrize("n, batch", [(1000, 32), (797, 16), (3669, 32), (10_000, 64), (6149, 1024)])
def test_a_mean_of_batch_means_is_recognised(n, batch):
    draw = random.Random(n)
    for _ in range(5):
        hits = [draw.random() < 0.97 for _ in range(n)]
        if sum(hits[-(n % batch) :]) == n % batch:
            hits[-1] = False  # with a perfect last batch the figure may be a plain accuracy, too
        percent = 100 * mean_of_batch_means(hits, batch)
        assert not possible(percent, n)
        assert batch_means(n, batch)(percent, tolerance(percent))
        assert f"a mean of batch means, batch {batch}" in [each.way for each in explanations(percent, n)]


def test_the_courses_cifar_10_figure_is_a_mean_of_batch_means_of_32():
    percent = 99.05151757188499
    assert not possible(percent, 10_000)
    [found] = explanations(percent, 10_000)
    assert found.way == "a mean of batch means, batch 32"
    assert found.chance < 0.01
    assert not batch_means(10_000, 64)(percent, tolerance(percent))


def test_other_examples_are_recognised():
    percent = round(100 * 9639 / 9728, 4)
    assert not possible(percent, 10_000)
    ways = [each.way for each in explanations(percent, 10_000)]
    assert "9,728 of 10,000 examples scored: whole batches of 512" in ways
    assert "9,984 of 10,000 examples scored: whole batches of 64" not in ways


def test_other_runs_are_recognised():
    percent = round(100 * 19_863 / 20_000, 3)
    assert not possible(percent, 10_000)
    assert "a mean of 2 runs" in [each.way for each in explanations(percent, 10_000)]


def test_rounding_twice_is_recognised():
    # 42,102 of 46,837 is 89.89047 %: 89.8905 to four digits, and that 89.891 to three.
    assert round(100 * 42_102 / 46_837, 3) == 89.890
    assert round(100 * 42_102 / 46_837, 4) == 89.8905
    assert not possible(89.891, 46_837)
    first = explanations(89.891, 46_837)[0]
    assert first.way == "rounded twice, first to one digit more"
    assert first.chance < 0.15


def test_cutting_digits_off_is_recognised():
    correct = next(c for c in range(3300, 3669) if (100 * c / 3669 * 100) % 1 > 0.6)
    percent = int(100 * correct / 3669 * 100) / 100
    assert not possible(percent, 3669)
    assert "cut off, not rounded" in [each.way for each in explanations(percent, 3669)]


def test_what_explains_everything_is_no_explanation():
    # To two digits, every figure is a mean of 3 runs over 3,669 examples.
    assert all(possible(round(94 + k / 100, 2), 3669, 3) for k in range(100))
    assert not possible(94.73, 3669)
    assert not any(each.way == "a mean of 3 runs" for each in explanations(94.73, 3669))
    assert any(each.way == "a mean of 3 runs" for each in explanations(94.73, 3669, most_chance=1))
