from dataclasses import replace

import pytest

from harness.catalog.checkpoints import checkpoint
from harness.core.specs import Recipe
from harness.cost import run_cost as module
from harness.cost.cards import Card, card
from harness.cost.dead_time import START
from harness.cost.flops import work
from harness.cost.networks import network
from harness.cost.run_cost import CONTEXT, HOUR, Job, MemoryEstimate, cost, memory_estimate
from harness.cost.steps import step

RECIPE = Recipe(id="r", batch_size=32, resolution=32, steps=10, learning_rate=0.1)
EVALUATE = Recipe(id="e", batch_size=32, resolution=32, test_resolution=64, steps=0)
VIT = checkpoint("micro-vit-l")
OF = network(VIT)
CARD = Card(id="c", title="Card", memory=10**12, float32=1e9, bfloat16=4e9, bandwidth=1e12)
"""So slow that products take all the time."""


def job(recipe=RECIPE, of=VIT, test=100):
    return Job(of, recipe, test=test, classes=10)


def test_hours_are_those_of_steps_evaluation_and_dead_time():
    found = cost(job(), CARD)
    counted = work(OF, 32)
    assert found.train_flops == 10 * 32 * counted.train_flops(10)
    assert found.test_flops == 100 * counted.test_flops(10)
    spent = found.seconds
    assert found.hours * HOUR == pytest.approx(spent.training + spent.evaluation + spent.dead)
    trained, tested = (step(OF, 32, training=each, lower=False) for each in (True, False))
    assert spent.training == pytest.approx(10 * at_peak(trained, 32), rel=0.01)
    assert spent.evaluation == pytest.approx(at_peak(tested, 100), rel=0.01)
    assert spent.training == pytest.approx(10 * spent.step.seconds)
    assert (spent.basis, spent.dead >= START) == ("modelled", True)
    half = cost(job(replace(RECIPE, precision="bfloat16")), CARD)
    assert half.seconds.training == pytest.approx(spent.training / 4, rel=0.02)


def at_peak(of, images):
    """Return the seconds of a step's products alone at the share of 1 GFLOP/s that each kind reaches."""
    shares = {"matrix product": 0.657, "convolution": 0.485, "attention": 0.404}
    products = [each for each in of.kernels if each.kind != "other"]
    return sum(each.count * each.work(images)[0] / (1e9 * shares[each.kind]) for each in products)


def test_a_batch_that_does_not_fit_is_computed_in_parts():
    wide = replace(RECIPE, resolution=128)
    need = memory_estimate(job(wide), OF)
    tight = replace(CARD, memory=int(need.at(8) / (1 - module.RESERVE)) + 1)
    found, roomy = cost(job(wide), tight), cost(job(wide), CARD)
    assert (found.micro_batch, roomy.micro_batch) == (8, 32)
    assert found.seconds.step.products == pytest.approx(roomy.seconds.step.products, rel=0.05)
    assert found.seconds.step.host > 3.9 * roomy.seconds.step.host  # four times the launches


def test_a_larger_card_is_faster():
    of = checkpoint("vit-l16-in21k")
    large = replace(RECIPE, resolution=224, precision="bfloat16", steps=1000)
    hours = [cost(job(large, of), card(name)).hours for name in ("h200", "h100", "a100", "l4")]
    assert hours == sorted(hours)
    assert len(set(hours)) == 4


def test_an_evaluation_costs_the_forward_pass_at_its_own_resolution():
    found = cost(job(EVALUATE, test=1000), CARD)
    assert (found.train_flops, found.test_flops) == (0, 1000 * work(OF, 64).test_flops(10))
    assert found.micro_batch == 256
    assert memory_estimate(job(EVALUATE), OF).fixed - CONTEXT < 8 * work(OF, 32).with_head(10)  # the weights alone


def test_least_squares_sees_the_shots_and_the_test_images_once():
    fitted = Recipe("f", 32, 32, steps=0, method="least squares", shots=5, l2=1.0)
    found = cost(job(fitted, test=1000), CARD)
    assert (found.train_flops, found.test_flops) == (0, 1050 * work(OF, 32).test_flops(10))
    assert (found.micro_batch, found.notes) == (256, ())
    whole = cost(job(replace(fitted, shots=None), test=1000), CARD)
    assert whole.notes == ("without the features of the training images",)


def test_constants_are_those_of_the_backend():
    from harness.training.torch import evaluation, memory

    assert (module.EVALUATION_BATCH, module.SMALL) == (evaluation.EVALUATION_BATCH, memory.SMALL)


def test_memory_is_that_of_weights_gradients_momentum_and_a_step():
    parameters = work(OF, 32).with_head(10)
    trained = step(OF, 32, training=True, lower=False)
    plain = memory_estimate(job(), OF)
    assert plain.fixed == CONTEXT + 12 * parameters + trained.fixed
    assert plain.per_image == trained.per_image
    averaged = memory_estimate(job(replace(RECIPE, polyak=0.9999)), OF)
    assert averaged.fixed - plain.fixed == 4 * parameters
    short = memory_estimate(job(replace(RECIPE, momentum_dtype="bfloat16")), OF)
    assert plain.fixed - short.fixed == 2 * parameters


def test_the_micro_batch_is_the_whole_batch_or_a_power_of_two_with_a_tenth_of_the_card_left_free():
    need = MemoryEstimate(fixed=100, per_image=10)
    assert need.largest(10_000, 48) == 48
    assert need.largest(600, 48) == 32  # 420 bytes of 540 fit, 580 do not
    assert need.largest(122, 48) is None
    assert need.largest(123, 48) == 1
    assert need.largest(10_000, 1) == 1


def test_without_a_card_or_its_rates_hours_are_unknown():
    nowhere = cost(job(), None)
    assert (nowhere.hours, nowhere.fits, nowhere.flops) == (None, None, cost(job(), CARD).flops)
    unknown = cost(job(), Card(id="u", title="Unknown", memory=10**12))
    assert (unknown.hours, unknown.fits) == (None, True)
    assert unknown.notes == ("unknown hours: the table of cards has no rates of Unknown",)


def test_what_does_not_fit_is_checkpointed_before_it_is_given_up():
    wide = replace(RECIPE, resolution=256, precision="float32")
    plain, saving = (memory_estimate(job(wide), OF, checkpointing=each) for each in (False, True))
    between = int((plain.at(4) + saving.at(4)) / 2 / (1 - module.RESERVE))
    found = cost(job(wide), replace(CARD, memory=between))
    assert (found.fits, found.checkpointing, found.memory) == (True, True, saving.at(found.micro_batch))
    roomy = cost(job(wide), CARD)
    assert not roomy.checkpointing
    # The blocks' forward pass again, a third of the work but for the patches.
    assert found.seconds.step.products == pytest.approx(roomy.seconds.step.products * 4 / 3, rel=0.1)
    lost = cost(job(wide), replace(CARD, memory=10**9))
    assert (lost.fits, lost.micro_batch) == (False, None)
    assert lost.hours == pytest.approx(roomy.hours, rel=1e-4)  # as if it fitted


def test_what_would_make_a_run_fit_is_said():
    wide = replace(RECIPE, resolution=256)
    full, half = (memory_estimate(job(wide), OF, checkpointing=True, lower=lower).at(1) for lower in (False, True))
    small = replace(CARD, memory=int((full + half) / 2 / (1 - module.RESERVE)))
    ways = "would fit: a recipe in bfloat16 or float16, or a card with more memory, such as t4 (16 GB)"
    assert cost(job(wide), small).notes[0].endswith(ways)
    vast = replace(RECIPE, resolution=20480, precision="bfloat16")  # six million tokens
    found = cost(job(vast), card("t4"))
    assert found.fits is False
    assert found.notes[0].startswith("does not fit NVIDIA T4: takes 23.6 GB with one image at a time, checkpointed;")
    assert found.notes[0].endswith("would fit: a card with more memory, such as v100-32 (32 GB)")
    assert cost(job(vast), card("v100-32")).fits
    assert cost(job(replace(vast, resolution=65536)), card("t4")).notes[0].endswith("no card of the table holds it")


def test_a_card_without_the_recipes_arithmetic_is_said():
    found = cost(job(replace(RECIPE, precision="bfloat16")), card("t4"))
    assert found.notes[0].startswith("NVIDIA T4 has no bfloat16: estimated at float32")
    assert found.hours == cost(job(replace(RECIPE, precision="bfloat16")), replace(card("t4"), bfloat16=8.1e12)).hours


def test_what_can_not_be_known_is_unknown_with_the_reason():
    for recipe, of, reason in (
        (RECIPE, replace(VIT, architecture="mine", file="", sources=("https://host/x",)), "no file here"),
        (replace(RECIPE, steps=None, epochs=2.0), VIT, "found it unresolved"),
        (replace(RECIPE, resolution=230), checkpoint("hybrid-r50-l32-in21k"), "multiple of 32x32"),
    ):
        found = cost(job(recipe, of), CARD)
        assert (found.flops, found.hours, found.fits) == (None, None, None)
        assert reason in found.notes[0]
