import json
from dataclasses import replace

import pytest

from harness.catalog.checkpoints import checkpoint
from harness.core.errors import ClaimsError
from harness.core.specs import Recipe
from harness.cost.cards import Card
from harness.cost.plan import PlannedRun, plan, require_within, to_json
from harness.cost.run_cost import Job, cost
from harness.cost.table import text

CARD = Card(id="c", title="Card", memory=10**12, float32=1e7, bandwidth=1e12, citation="a datasheet")
RECIPE = Recipe(id="short", batch_size=32, resolution=32, steps=40, learning_rate=0.1)
GRID = replace(RECIPE, learning_rate=None, learning_rate_grid=(0.1, 0.3, 1.0))
VIT, BIT = checkpoint("micro-vit-l"), checkpoint("micro-bit-m")
FINAL = PlannedRun("claim1", VIT, "digits", test=500, classes=10, recipe=RECIPE, hypotheses=("a > b",))
EACH = cost(Job(VIT, RECIPE, test=500, classes=10), CARD)


def seeds(run, count=3):
    return [replace(run, seed=seed, run_id=f"{run.checkpoint.id}{seed:02d}") for seed in range(count)]


def test_seeds_and_rates_are_one_row_and_are_paid_each():
    search = [
        replace(FINAL, recipe=replace(GRID, learning_rate=rate), purpose="learning-rate search", test=50)
        for rate in GRID.learning_rate_grid
    ]
    found = plan([*seeds(FINAL), *search], CARD)
    assert [(row.purpose, row.runs, row.seeds, row.rates) for row in found.rows] == [
        ("final", 3, 3, 1),
        ("learning-rate search", 3, 1, 3),
    ]
    assert found.rows[0].run_ids == ("micro-vit-l00", "micro-vit-l01", "micro-vit-l02")
    assert found.rows[0].each == EACH
    assert found.hours == pytest.approx(3 * EACH.hours + 3 * found.rows[1].each.hours)


def test_what_is_stored_is_not_paid_again():
    runs = seeds(FINAL)
    runs[1] = replace(runs[1], stored=True)
    found = plan(runs, CARD, price_per_hour=2.0)
    assert (found.rows[0].state, found.rows[0].left) == ("1 of 3 stored", 2)
    assert found.price == pytest.approx(2 * 2 * EACH.hours)
    done = plan([replace(run, stored=True, reason="needs data: gone") for run in runs], CARD)
    assert (done.rows[0].state, done.rows[0].blocked, done.hours) == ("stored", False, 0.0)


def test_a_run_of_two_claims_is_paid_once():
    again = [replace(run, claim="claim2", hypotheses=("c > d",)) for run in seeds(FINAL)]
    other = replace(FINAL, claim="claim2", checkpoint=BIT, run_id="other")
    found = plan([*seeds(FINAL), other, *again], CARD)
    assert [(row.claim, row.also, row.hypotheses) for row in found.rows] == [
        ("claim1", ("claim2",), ("a > b", "c > d")),
        ("claim2", (), ("a > b",)),
    ]
    assert found.rows[0].runs == 3
    unnamed = [replace(run, run_id="") for run in (*seeds(FINAL), *again)]
    assert [row.runs for row in plan(unnamed, CARD).rows] == [3]
    turned = plan([other, *seeds(FINAL)], CARD)
    assert [row.claim for row in turned.rows] == ["claim1", "claim2"]
    check = replace(FINAL, purpose="pipeline check")
    assert [row.purpose for row in plan([check, FINAL], CARD).rows] == ["pipeline check"]


def test_what_can_not_run_is_named_and_counted_apart():
    blocked = [replace(run, checkpoint=BIT, run_id="", reason="needs data: flowers") for run in seeds(FINAL)]
    found = plan([*seeds(FINAL), *blocked], CARD)
    assert found.rows[1].state == "needs data: flowers"
    assert found.hours == pytest.approx(3 * EACH.hours)
    assert found.hours_blocked == pytest.approx(3 * found.rows[1].each.hours)


def test_a_dearer_plan_than_allowed_is_refused():
    found = plan([*seeds(FINAL), replace(FINAL, checkpoint=BIT)], CARD)
    require_within(found, found.hours)
    with pytest.raises(ClaimsError, match=r"expected at most 0\.01 GPU hours, found about .* micro-bit-m on digits"):
        require_within(found, 0.01)


def test_json_holds_the_rows_and_the_sums():
    found = plan([*seeds(FINAL), replace(FINAL, checkpoint=BIT, reason="needs data: x")], CARD, price_per_hour=3.0)
    read = json.loads(to_json(found))
    assert read["totals"]["runs"] == 4
    assert read["totals"]["price"] == pytest.approx(9 * EACH.hours)
    assert read["rows"][0]["each"]["train_flops"] == EACH.train_flops
    assert read["rows"][1]["state"] == "needs data: x"
    assert read["card"]["citation"] == "a datasheet"
    assert read["card"]["matrix_product_share"] == 0.657
    assert read["model"]["least_seconds_a_kernel"] == 2.5e-6
    seconds = read["rows"][0]["each"]["seconds"]
    assert seconds["basis"] == "modelled"
    assert sum(seconds[part] for part in ("training", "evaluation", "dead")) == pytest.approx(3600 * EACH.hours)


def test_text_groups_by_claim_and_says_what_is_left_to_pay(tmp_path):
    reason = {"reason": "needs data: put it there", "fetches_weights": False}
    blocked = replace(FINAL, claim="claim2", checkpoint=BIT, backend="jax", **reason)
    found = plan([*seeds(FINAL), blocked], CARD, cache=tmp_path, price_per_hour=2.0)
    shown = text(found, 120)
    first, second = shown.index("\nclaim1\n"), shown.index("\nclaim2\n")
    row = shown[first:second].splitlines()[2]
    assert row.split()[:8] == "final: micro-vit-l on digits, short 3 seeds to".split()
    assert f" {3 * EACH.hours:.2f} " in row
    assert "micro-bit-m on digits, short, jax" in shown[second:]
    assert "\n[1] needs data: put it there\n" in shown
    assert "already here: micro-vit-l\n" in shown  # weights are not fetched before the images are there
    assert "4 runs: 0 stored, 3 to compute, 1 that can't run now." in shown
    assert f"About {3 * EACH.hours:.2f} GPU hours still to pay, {6 * EACH.hours:.2f} at 2.00 per hour;" in shown
    assert "assumed: matrix products 66%" in " ".join(shown.split())
    assert "a datasheet" in shown


@pytest.mark.parametrize("width", [80, 100, 140])
def test_text_keeps_to_the_width(width):
    named = {"dataset": "a-dataset-with-a-long-name", "reason": "w " * 90}
    long = replace(FINAL, checkpoint=checkpoint("micro-hybrid-m"), **named)
    assert max(map(len, text(plan([*seeds(FINAL), long], CARD), width).splitlines())) <= width


def test_text_says_what_does_not_fit_and_what_is_not_known():
    small = replace(CARD, memory=10**9)
    shown = text(plan([FINAL], small))
    assert "too large" in shown
    assert "1 run: 0 stored, 0 to compute, 1 that can't run now." in shown
    assert f"micro-vit-l (short); 1 run and {EACH.hours:.2f} hours of those that can't run now." in shown
    assert "hours are not known" in text(plan([FINAL], None))
    unknown = replace(FINAL, recipe=replace(RECIPE, steps=None, epochs=1.0))
    found = plan([unknown], CARD)
    assert found.unknown == 1
    assert "and 1 run of unknown hours" in text(found)


def test_what_does_not_fit_is_not_to_be_paid_and_the_counts_add_up():
    large = replace(FINAL, recipe=replace(FINAL.recipe, id="large", resolution=1024, batch_size=1))
    between = replace(CARD, memory=1_150_000_000)  # holds the short recipe and not the large one
    others = [replace(run, run_id=f"large{run.seed}") for run in seeds(large)]
    found = plan([*seeds(FINAL), *others], between, price_per_hour=2.0)
    fits, too_large = found.rows
    assert (fits.each.fits, too_large.each.fits) == (True, False)
    assert (fits.blocked, too_large.blocked) == (False, True)
    assert found.hours == pytest.approx(fits.hours)
    assert found.price == pytest.approx(2 * fits.hours)
    assert found.hours_blocked == pytest.approx(too_large.hours)
    totals = json.loads(to_json(found))["totals"]
    assert totals["runs"] == totals["stored"] + totals["to_compute"] + totals["blocked"] == 6
    assert totals["blocked"] == 3
    require_within(found, fits.hours * 1.01)  # a limit covers what is paid
    assert "6 runs: 0 stored, 3 to compute, 3 that can't run now." in text(found)


def test_released_runs_of_one_fine_tuning_are_one_row_and_are_paid_each():
    evaluated = replace(FINAL, recipe=Recipe(id="evaluate", batch_size=32, resolution=32, steps=0))
    files = [replace(VIT, id=f"tuned-run{run}", variant="tuned", tuned_on="digits") for run in range(3)]
    runs = [replace(evaluated, checkpoint=file) for file in files]
    other = replace(evaluated, checkpoint=replace(files[0], id="elsewhere-run0", tuned_on="count"), dataset="count")
    found = plan([*runs, other], CARD)
    first, second = found.rows
    assert (first.checkpoint, first.others, first.runs, first.seeds) == (
        "tuned-run0",
        ("tuned-run1", "tuned-run2"),
        3,
        1,
    )
    assert (second.checkpoint, second.others, second.runs) == ("elsewhere-run0", (), 1)
    one = cost(Job(VIT, evaluated.recipe, test=500, classes=10), CARD)
    assert found.hours == pytest.approx(4 * one.hours)
    assert any("tuned-run0 and 2 more on digits" in line for line in text(found, width=200).splitlines())
    assert json.loads(to_json(found))["rows"][0]["others"] == ["tuned-run1", "tuned-run2"]


def test_a_plan_says_how_far_it_is():
    told = []
    plan([*seeds(FINAL), replace(FINAL, checkpoint=BIT)], CARD, progress=lambda *each: told.append(each))
    assert told == [(0, 2, "micro-vit-l"), (1, 2, "micro-bit-m")]
