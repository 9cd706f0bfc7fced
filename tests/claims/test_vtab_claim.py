"""The claim on VTAB's tasks: which files stand for BiT-M on which task, and what is asked of which source."""

from collections import Counter
from dataclasses import replace

import pytest

from harness.catalog.checkpoints import checkpoint, checkpoints
from harness.catalog.claim_files import claims
from harness.catalog.datasets import unpinned_dataset
from harness.catalog.recipes import resolve
from harness.core.hypotheses import Average, Better, Contender, terms_of
from harness.core.paper import paper, using
from harness.core.run import Run
from harness.data.registry import entries
from harness.evidence.questions import Stated, questions
from harness.evidence.released.needed_runs import planned
from harness.evidence.released.trial import trials
from harness.judging.judge import dataset_of
from harness.runs.store import Store
from tests.claims import PAPER

VIT = Contender("ViT-L/16", "ImageNet-21k")
SIZES = ("R50x1", "R101x1", "R50x3", "R101x3", "R152x4")
with using(PAPER):
    CLAIM, HYPOTHESES = claims()["vtab_tasks"]
    TASKS = paper().members_of("vtab1k")


def bit(size):
    return Contender(f"BiT-{size}", "ImageNet-21k", "vtab1k")


def test_each_file_belongs_to_a_task_of_the_group_and_each_task_has_three_of_each_size():
    files = [entry for entry in checkpoints().values() if entry.variant == "vtab1k"]
    assert Counter((entry.architecture, entry.tuned_on) for entry in files) == {
        (f"BiT-{size}", task): 3 for size in SIZES for task in TASKS
    }
    assert set(TASKS) <= set(entries())
    # BiT's names of tasks that are not ours, by what the datasets are.
    for name, task in (
        ("oxford_flowers102", "flowers"),
        ("oxford_iiit_pet", "pets"),
        ("dsprites-xpos", "dsprites-location"),
    ):
        assert checkpoint(f"bit-m-r50x1-vtab-{name}-run1").tuned_on == f"vtab-{task}"


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        ("bit-m-r50x1-vtab-dtd-run0", "5e07f4f8ff1348b3"),
        ("bit-m-r152x4-vtab-dsprites-xpos-run2", "b573739bb3f8b6b2"),
        ("bit-m-r101x3-vtab-cifar100-run1", "ca62696d741d29cc"),
    ],
)
def test_the_id_of_an_evaluation_is_what_it_was_before_the_table_named_its_dataset(name, id_):
    weights = replace(checkpoint(name), sha256="a" * 64)
    images = unpinned_dataset(weights.tuned_on, train=False)
    assert Run(weights, images, resolve("evaluate", weights, images), 0).id == id_


def test_vit_is_fine_tuned_by_the_papers_recipe_and_bits_files_are_evaluated_whatever_the_protocol():
    for protocol in ("notebook", "short-500"):
        for task in TASKS:
            (one,) = trials(VIT, task, protocol)
            assert (one.recipe.id, one.recipe.steps, one.recipe.learning_rate) == ("paper", 2500, 0.01)
            files = trials(bit("R152x4"), task, protocol)
            assert {each.recipe.id for each in files} == {"evaluate"}
            assert [each.checkpoint.id[-5:] for each in files] == ["-run0", "-run1", "-run2"]
    # BiT-HyperRule: the sides of small and of large images.
    sides = {task: trials(bit("R152x4"), task, "paper")[0].recipe.side for task in ("vtab-svhn", "vtab-pets")}
    assert sides == {"vtab-svhn": 128, "vtab-pets": 480}


def test_the_claim_needs_each_of_the_285_files_once(tmp_path):
    stated = Stated("test_f", tuple(HYPOTHESES))
    asked = [each for each in questions(CLAIM, [stated]) if each.source.detail == "notebook"]
    runs = {run.identity: run for run in planned(asked, 5, Store(tmp_path))}.values()
    evaluated = [run for run in runs if run.recipe.id == "evaluate" and run.purpose == "final"]
    assert len(evaluated) == len({run.checkpoint.id for run in evaluated}) == 285
    tuned = Counter(run.dataset for run in runs if run.recipe.id == "paper")
    assert tuned == dict.fromkeys(TASKS, 5)


def test_published_figures_are_asked_of_the_published_mean_alone():
    asked = questions(CLAIM, [Stated("test_f", tuple(HYPOTHESES))])
    published = [each.hypothesis for each in asked if each.source.kind == "published"]
    assert [(type(each), each.on) for each in published] == [(Better, "vtab1k")]
    assert not {each.source.kind for each in asked} - {"published", "gpu"}
    others = {each.id for name, (_, stated) in claims().items() if name != "vtab_tasks" for each in stated}
    assert not others & {each.id for each in HYPOTHESES}


def test_a_mean_over_just_the_tasks_of_a_group_is_on_the_group():
    by_group = {dataset_of(each): len(terms_of(each)) // 2 for each in HYPOTHESES if isinstance(each, Average)}
    assert by_group == {"vtab1k": 19, "vtab1k_natural": 7, "vtab1k_specialized": 4, "vtab1k_structured": 8}
    for each in HYPOTHESES:
        if isinstance(each, Average):
            assert each.id.endswith(f" {dataset_of(each)}")  # where the report writes the group's title
            weights = {term.weight for term in each.contrast.terms}
            assert weights == {1 / len(each.of), -1 / len(each.of)}
