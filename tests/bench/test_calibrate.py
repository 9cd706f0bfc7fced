"""The table in docs/statistics.md is what the results on record say, and these keep to what is stated."""

import json

import pytest

from bench.calibrate import (
    BEGIN,
    DISCORDANCE,
    END,
    EXAMPLES,
    FEWEST_COVERED,
    PAGE,
    RESULTS,
    SEED_SD,
    SEEDS,
    misses,
    span,
    table,
)


@pytest.fixture(scope="module")
def found():
    return json.loads(RESULTS.read_text())


def test_the_page_shows_the_results_on_record(found):
    text = PAGE.read_text()
    assert text.split(BEGIN)[1].split(END)[0].strip() == table(found)


def test_the_results_on_record_are_of_the_whole_grid_and_keep_to_what_is_stated(found):
    normal = [row for row in found["grid"] if row["scores"] == "normal"]
    assert len(normal) == 2 * len(EXAMPLES) * len(SEEDS) * len(DISCORDANCE) * len(SEED_SD)
    assert misses(found["grid"]) == []


def test_a_row_that_misses_is_noticed(found):
    row = dict(found["grid"][0])
    assert misses([row | {"coverage at 95 %": FEWEST_COVERED - 0.001}])
    assert misses([row | {"false at 0.42 %": 1.6}])
    assert misses([row | {"coverage at 95 %": 0.97}])
    assert not misses([row | {"analysis": "alone", "coverage at 95 %": 0.97}])


def test_spans_are_least_and_largest():
    assert span([2.04, 1.0, 1.51], 1) == "1.0 to 2.0"
    assert span([1.0], 1) == "1.0"
