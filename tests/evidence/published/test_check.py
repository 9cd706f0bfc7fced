"""Which published figures are impossible, and what that suggests."""

from dataclasses import replace

import pytest

from harness.evidence.published import examples_by_dataset, load
from harness.evidence.published.check import cells, check, runs_averaged

PETS = 3_669


@pytest.fixture
def single():
    """One run on all 3,669 test images of Pets, as published: no spread, no number of runs."""
    return next(each for each in load() if each.dataset == "pets" and each.seeds is None)


def test_a_figure_is_possible_only_if_so_many_right_give_it(single):
    # 3,435 and 3,436 of 3,669 are 93.62 and 93.65 %.
    assert check([replace(single, value=93.65)]).possible == 1
    found = check([replace(single, value=93.64)])
    assert [(each.n, each.runs, each.figure.value) for each in found.impossible] == [(PETS, 1, 93.64)]


def test_every_figure_is_counted_once():
    found = check()
    assert found.without_n == sum(examples_by_dataset()[each.dataset] is None for each in load()) == 3
    assert found.without_n + found.too_few_digits + found.possible + len(found.impossible) == len(load())
    # One digit after the point: a step of 0.1 points holds two and more numbers of right answers.
    assert (found.possible, found.impossible) == (0, ())


def test_a_mean_of_batch_means_is_told_from_its_digits(single):
    # 114 batches of 32 images and one of 21, which counts as much as the others.
    value = round(100 * (3_420 / 32 + 19 / 21) / 115, 7)
    [found] = check([replace(single, value=value)]).impossible
    assert found.suggests == "a mean of batch means, batch 32"


def test_a_figure_that_stands_elsewhere_as_a_mean_of_runs_is_one(single):
    # 10,306 of three times 3,669; a multiple of 1 / 11,007 is near every number with two digits.
    mean = replace(single, value=93.63, seeds=3, std=0.1, table="Table 2")
    found = check([replace(single, value=93.63), mean])
    [alone] = found.impossible
    assert alone.suggests == "a mean of 3 runs: Table 2 has the same figure with a spread over 3"
    assert found.too_few_digits == 1


def test_few_digits_tell_little(single):
    [found] = check([replace(single, value=93.64)]).impossible
    assert found.suggests.startswith("several runs, or other examples")


def test_examples_that_were_scored_count_not_the_test_set(single):
    # 3,418 of 3,650 are 93.64 %.
    assert check([replace(single, value=93.64, scored=3_650)]).possible == 1


@pytest.mark.parametrize(
    "seeds, centre, expected", [(None, None, 1), (3, None, 3), (3, "mean", 3), (5, "median", 1), (4, "median", 2)]
)
def test_a_median_is_one_run_or_two(single, seeds, centre, expected):
    assert runs_averaged(replace(single, seeds=seeds, centre=centre)) == expected


def test_a_row_of_the_table_says_whose_figure_it_is(single):
    [found] = check([replace(single, value=93.64, variant="augreg", setting="7 epochs")]).impossible
    source, model, *rest = cells(found)
    assert source == f"{single.source}, {single.table}"
    assert model == f"{single.architecture} ({single.pretrain}, augreg, 7 epochs)"
    assert rest == ["pets", "93.64", "3,669", found.suggests]
