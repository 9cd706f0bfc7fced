"""What a session can begin with at once: no accelerator waits for another hypothesis' runs."""

import pytest

from harness.core.claim import Claim
from harness.core.hypotheses import Average, Better, Contender
from harness.core.result import Result
from harness.core.source import Source
from harness.cost.plan import plan
from harness.evidence.released import gather
from harness.evidence.released.needed_runs import at_hand, planned
from harness.evidence.released.trial import material
from harness.evidence.source import NotComputed
from harness.judging.question import Question
from harness.runs.store import Store
from tests.evidence.released.making import tables

VIT, BIT, LOST = (Contender(name, "Small") for name in ("ViT-Tiny", "BiT-Tiny", "ViT-Lost"))


@pytest.fixture
def store(tmp_path, monkeypatch):
    for name, place in (("TABLES", tables(tmp_path / "tables")), ("CACHE", tmp_path / "cache"), ("HOME", tmp_path)):
        monkeypatch.setenv(f"VIT_CLAIMS_{name}", str(place))
    monkeypatch.setenv("VIT_CLAIMS_OFFLINE", "1")
    return Store(tmp_path)


def asked(protocol, *sides):
    claim = Claim(id="c", title="t", quote="q", source="s", not_verifiable={})
    return [Question(claim, Better(a, than=b, on="stripes"), Source("gpu", protocol)) for a, b in sides]


def test_the_final_runs_of_all_that_is_here_each_once(store):
    found = at_hand(asked("quick", (VIT, BIT), (BIT, VIT), (VIT, LOST)), 3, store, ["torch"])
    assert sorted((run.checkpoint.id, run.seed) for run in found) == [
        (name, seed) for name in ("tiny-bit", "tiny-vit") for seed in range(3)
    ]
    assert at_hand(asked("quick", (VIT, BIT)), 3, store, []) == []


def test_a_grid_first_and_the_final_runs_once_it_has_chosen(store):
    grid = at_hand(asked("searched", (VIT, BIT)), 3, store, ["torch"])
    assert {run.split for run in grid} == {"dev"}
    assert len(grid) == 4
    for run in grid:
        right = run.recipe.learning_rate == 0.1
        labels = (0,) * run.dataset.dev
        store.put(run, Result(run.id, tuple(int(not right) for _ in labels), labels, (), 1.0, 1.0, 1, ()))
    final = at_hand(asked("searched", (VIT, BIT)), 3, store, ["torch"])
    assert {(run.split, run.recipe.learning_rate) for run in final} == {("test", 0.1)}
    assert len(final) == 6


def test_weights_are_wanted_once_the_images_are_there(store, tmp_path):
    def rows():
        return [run for run in planned(asked("quick", (VIT, BIT)), 1, store) if run.dataset == "stripes"]

    assert {(run.reason, run.fetches_weights) for run in rows()} == {("", True)}
    images = tmp_path / "tables" / "stripes"
    images.rename(tmp_path / "elsewhere")
    assert rows()
    assert all(run.reason.startswith("needs data") and not run.fetches_weights for run in rows())


def mean(*datasets):
    claim = Claim(id="c", title="t", quote="q", source="s")
    return Question(claim, Average(tuple(Better(VIT, than=BIT, on=on) for on in datasets)), Source("gpu", "quick"))


def test_a_mean_that_lacks_images_computes_and_fetches_nothing_for_the_rest(store):
    whole, lacking = asked("quick", (VIT, BIT))[0], mean("stripes", "nowhere")
    rows = planned([lacking], 2, store)
    finals = [run for run in rows if run.purpose == "final"]
    assert {run.dataset: run.reason for run in finals} == {
        "stripes": "its hypotheses need tiny-vit on nowhere, too, which can't run",
        "nowhere": next(run.reason for run in finals if run.dataset == "nowhere"),
    }
    assert not any(run.fetches_weights or run.fetches_data for run in finals if run.dataset == "stripes")
    assert at_hand([lacking], 2, store, ["torch"]) == []
    # What another hypothesis needs is computed for that.
    assert len(at_hand([lacking, whole], 2, store, ["torch"])) == 4
    for order in ([lacking, whole], [whole, lacking]):
        found = plan(planned(order, 2, store), None)
        left = {row.dataset: row.state for row in found.rows if row.purpose == "final"}
        assert left["stripes"] == "to compute"
        assert left["nowhere"].startswith("needs data")


def test_what_must_be_laid_there_by_hand_is_looked_for_first(store, monkeypatch):
    looked = []
    monkeypatch.setattr(gather, "material", lambda of, fetch: looked.append(of.entry.id) or material(of, fetch))
    found = gather.ReleasedCheckpoints(Fetching()).gather(mean("stripes", "nowhere"))
    assert looked == ["nowhere"]
    assert "nowhere" in found.reason


class Fetching:
    """A provider that fetches and has nothing."""

    seeds, looks, fetches = 2, (2,), True

    def results_for(self, runs):
        raise NotComputed("nothing is computed")
