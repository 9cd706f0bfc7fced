"""Stored runs set the speed of the same work on the same card."""

from dataclasses import replace

import pytest

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import dataset
from harness.catalog.recipes import recipe
from harness.core.result import Result
from harness.core.run import Run
from harness.cost.cards import Card, card
from harness.cost.measured_rates import Rate, rates_on, same_work
from harness.cost.networks import network
from harness.cost.plan import PlannedRun, plan
from harness.cost.run_cost import Job, cost
from harness.cost.table import text
from harness.runs.store import Store

H100 = "NVIDIA H100 80GB HBM3"
VIT = checkpoint("micro-vit-s")
RECIPE = replace(recipe("micro", "micro-vit-s", "digits"), steps=8, warmup_steps=0)
EVALUATE = replace(recipe("evaluate", "micro-vit-s", "digits"), resolution=32)


def run(seed, of=RECIPE, backend="torch"):
    return Run(VIT, dataset("digits"), of, seed, backend)


def stored(store, of, rate, device=H100):
    labels = (0,) * of.dataset.test
    store.put(of, Result(of.id, labels, labels, (), 60.0, rate, 1, (("torch", "2"), ("device", device))))


def job(of=RECIPE, backend="torch"):
    return Job(VIT, of, test=dataset("digits").test, classes=10, backend=backend)


def test_the_median_of_the_same_work_is_taken(tmp_path):
    store = Store(tmp_path)
    for seed, rate in enumerate((100.0, 400.0, 120.0)):
        stored(store, run(seed), rate)
    stored(store, run(3, replace(RECIPE, batch_size=64)), 900.0)
    stored(store, run(4), 7.0, "cpu")
    stored(store, run(5), 8.0, "NVIDIA L4")
    found = rates_on(card("h100"), store)
    of = network(VIT)
    assert found[same_work(of, RECIPE, "torch")] == Rate(120.0, 3)
    assert found[same_work(of, replace(RECIPE, batch_size=64), "torch")] == Rate(900.0, 1)
    assert len(found) == 2
    assert same_work(of, RECIPE, "jax") not in found
    assert rates_on(card("l4"), store)[same_work(of, RECIPE, "torch")] == Rate(8.0, 1)
    unknown = Card(id="NVIDIA B200", title="NVIDIA B200", memory=10**11)
    assert rates_on(unknown, store) == {}
    stored(store, run(6), 9.0, "NVIDIA B200")
    assert rates_on(unknown, store)[same_work(of, RECIPE, "torch")] == Rate(9.0, 1)


@pytest.mark.parametrize(
    "changes, same",
    [
        ({"steps": 99}, True),
        ({"learning_rate": 0.5}, True),
        ({"flip": True}, True),
        ({"precision": "bfloat16"}, False),
        ({"resolution": 64}, False),
        ({"polyak": 0.99}, False),
        ({"momentum_dtype": "bfloat16"}, False),
        ({"dropout": 0.1}, False),
        ({"clip_norm": None}, False),
        ({"steps": 0}, False),
    ],
)
def test_work_is_the_same_where_steps_compute_the_same(changes, same):
    of = network(VIT)
    assert (same_work(of, replace(RECIPE, **changes), "torch") == same_work(of, RECIPE, "torch")) is same


def test_a_damaged_or_foreign_entry_is_left_out(tmp_path):
    store = Store(tmp_path)
    stored(store, run(0), 100.0)
    stored(store, run(1), 0.0)  # it diverged
    path = store.path(run(2).id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'["device","{H100}"] and no more')
    assert list(rates_on(card("h100"), store).values()) == [Rate(100.0, 1)]


def test_a_measured_rate_takes_the_models_place():
    model = cost(job(), card("h100"))
    key = same_work(network(VIT), RECIPE, "torch")
    found = cost(job(), card("h100"), rates={key: Rate(16.0, 3)})
    assert found.seconds.training == pytest.approx(8 * 32 / 16.0)
    assert (model.seconds.basis, found.seconds.basis) == ("modelled", "measured")
    assert found.seconds.evaluation == model.seconds.evaluation
    assert found.hours == pytest.approx(found.seconds.total / 3600)
    assert found.notes == ("measured: hours by the speed of 3 stored runs on this card",)
    assert found.memory == model.memory
    other = cost(job(backend="jax"), card("h100"), rates={key: Rate(16.0, 3)})
    assert other.hours == model.hours


def test_an_evaluation_is_measured_by_its_images():
    key = same_work(network(VIT), EVALUATE, "torch")
    found = cost(job(EVALUATE), card("h100"), rates={key: Rate(50.0, 1)})
    assert found.seconds.training == 0.0
    assert found.seconds.evaluation == pytest.approx(dataset("digits").test / 50)
    assert found.notes == ("measured: hours by the speed of 1 stored run on this card",)


def test_a_plan_takes_the_rates_of_its_store(tmp_path):
    store = Store(tmp_path)
    stored(store, run(0), 16.0)
    rows = [PlannedRun("claim1", VIT, "digits", dataset("digits").test, 10, RECIPE, seed=seed) for seed in (1, 2)]
    (modelled,) = plan(rows, card("h100")).rows
    found = plan(rows, card("h100"), store=store)
    (measured,) = found.rows
    assert (modelled.each.seconds.basis, measured.each.seconds.basis) == ("modelled", "measured")
    assert measured.hours > modelled.hours
    assert "[1] measured: hours by the speed of 1 stored run on this card" in text(found)
    (elsewhere,) = plan(rows, card("a100"), store=store).rows
    assert elsewhere.each.seconds.basis == "modelled"
