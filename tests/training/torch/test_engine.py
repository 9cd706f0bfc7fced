"""Fine-tuning: the loop's arithmetic against a second one, and what may differ does not change the outcome."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from harness.catalog.checkpoint_files import file_of
from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import dataset
from harness.catalog.recipes import recipe
from harness.core.errors import CardFailed, ClaimsError, TooLittleMemory
from harness.core.run import Run
from harness.data.readers import synthetic
from harness.data.splits import Data, Split, select
from harness.models.initialise import initial_arrays, library_head
from harness.models.npz_layout import ViTArchitecture, read
from harness.models.torch.build import load
from harness.training.api import Execution
from harness.training.lr_schedule import learning_rate
from harness.training.metric_log import History
from harness.training.torch.device import DeviceContext
from harness.training.torch.engine import fine_tune
from harness.training.torch.feed import Feed
from harness.training.torch.inputs import three_channels, to_inputs
from harness.training.torch.loop import Loop
from harness.training.torch.network import at_side, network, set_dropout
from tests.training.tiny import VIT

FAMILIES = ["micro-vit-s", "micro-bit-s", "micro-hybrid-s"]
CPU = DeviceContext(torch.device("cpu"))
RECIPES = {
    "as the authors": {},
    "no clipping": {"clip_norm": None},
    "staircase": {"schedule": "staircase", "decay_at": (1, 2), "warmup_steps": 1, "learning_rate": 0.1},
    "constant": {"schedule": "constant"},
    "no momentum": {"momentum": 0.0},
    "weight decay": {"weight_decay": 0.3},
    "polyak": {"polyak": 0.7},
    "mixup": {"mixup": 0.4},
    "random crop": {"crop": "random", "train_resize": 40, "flip": True},
    "inception crop": {"crop": "inception", "flip": True, "mixup": 0.2},
}


def run(name="micro-vit-s", **changed):
    short = replace(recipe("micro"), **{"steps": 4, "batch_size": 8, "warmup_steps": 2} | changed)
    return Run(checkpoint(name), dataset("digits-5"), short, seed=3)


def weights_of(a_run):
    return read(file_of(a_run.checkpoint))


def data_of(a_run):
    return select(synthetic.load(a_run.dataset), a_run)


class InDoubles(nn.Module):
    """A network that computes in float64 whatever its inputs are."""

    def __init__(self, model):
        super().__init__()
        self.model = model.double()

    def forward(self, x):
        return self.model(x.double())


def doubled(a_run):
    return InDoubles(network(a_run, weights_of(a_run)))


def plain_loop(a_run):
    """Fine-tune with the update rules written out: v = m v + g + d w, w = w - lr v, g clipped at a global norm."""
    r = a_run.recipe
    model = load(weights_of(a_run), classes=10, resolution=r.resolution).double().train()
    weights = list(model.parameters())
    velocity = [torch.zeros_like(w) for w in weights]
    averages = [w.detach().clone() for w in weights]
    losses = []
    with Feed(data_of(a_run).train, a_run, CPU) as feed:
        batches = [feed.batch(step).part(0, r.batch_size) for step in range(r.steps)]
    for step, (inputs, targets) in enumerate(batches):
        logs = torch.log_softmax(model(inputs.double().repeat(1, 3, 1, 1)), dim=1)
        rows = torch.arange(len(logs))
        loss = -sum(share * logs[rows, labels].mean() for share, labels in targets)
        gradients = torch.autograd.grad(loss, weights)
        norm = torch.sqrt(sum((g**2).sum() for g in gradients))
        # PyTorch guards against a zero norm with 1e-6.
        scale = min(1.0, float(r.clip_norm / (norm + 1e-6))) if r.clip_norm else 1.0
        with torch.no_grad():
            for w, v, g, a in zip(weights, velocity, gradients, averages, strict=True):
                v.mul_(r.momentum).add_(scale * g + r.weight_decay * w)
                w.sub_(learning_rate(r, step) * v)
                a.mul_(r.polyak or 0).add_((1 - (r.polyak or 0)) * w)
        losses.append(float(loss.detach()))
    return averages, losses


@pytest.mark.parametrize(
    ("name", "changed"),
    [*((name, changed) for name in FAMILIES[:2] for changed in RECIPES), ("micro-hybrid-s", "as the authors")],
)
def test_the_loop_is_the_recipe_written_out(name, changed):
    a_run = run(name, **RECIPES[changed])
    model = doubled(a_run)
    trained = Loop(model, data_of(a_run).train, a_run, Execution(), CPU).train()
    expected, expected_losses = plain_loop(a_run)
    assert trained.losses == pytest.approx(expected_losses, rel=1e-9)
    assert len(trained.losses) == 4
    for ours, theirs in zip(model.parameters(), expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-6, atol=1e-9)


def test_each_part_of_a_recipe_changes_what_is_trained():
    trained = {}
    for name, changed in RECIPES.items():
        a_run = run(**changed)
        model = network(a_run, weights_of(a_run))
        Loop(model, data_of(a_run).train, a_run, Execution(), CPU).train()
        trained[name] = sum(float(w.detach().abs().sum()) for w in model.parameters())
    assert len(set(trained.values())) == len(RECIPES)


def test_the_head_starts_at_zero_so_the_first_loss_is_that_of_guessing():
    a_run = run()
    losses = fine_tune(a_run, weights_of(a_run), data_of(a_run), Execution()).losses
    assert losses[0] == pytest.approx(np.log(10), rel=1e-6)
    assert losses[1] == pytest.approx(np.log(10), rel=1e-6)  # the first update has learning rate 0
    assert losses[3] < losses[0]


@pytest.mark.parametrize("name", ["micro-vit-s", "micro-bit-s"])
def test_a_library_s_head_is_drawn_from_the_run_s_seed(name):
    heads = []
    for seed in (3, 4):
        a_run = replace(run(name, head="library"), seed=seed)
        head = network(a_run, weights_of(a_run)).get_classifier()
        heads.append(head.weight.detach().flatten(1))
        assert heads[-1].std() == pytest.approx(0.02, rel=0.15)
        assert heads[-1].mean() == pytest.approx(0, abs=0.004)
        assert torch.equal(heads[-1], torch.from_numpy(library_head(heads[-1].T.shape, seed).T))
        assert not head.bias.any()
    assert not torch.equal(*heads)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("changed", ["as the authors", "inception crop"])
def test_the_gradient_is_the_whole_batch_s_however_memory_splits_it(name, changed):
    a_run = run(name, **RECIPES[changed])
    trained = []
    for micro_batch in (None, 3):
        model = doubled(a_run)
        done = Loop(model, data_of(a_run).train, a_run, Execution(micro_batch=micro_batch), CPU).train()
        assert done.micro_batch == micro_batch
        trained.append(torch.cat([w.flatten() for w in model.parameters()]))
    assert torch.allclose(trained[0], trained[1], rtol=0, atol=1e-9)


def test_dropout_is_where_the_authors_have_it_and_differs_from_step_to_step():
    model = load(initial_arrays(ViTArchitecture(**VIT | {"depth": 4}), 1))
    set_dropout(model, 0.25)
    places = [name for name, module in model.named_modules() if isinstance(module, nn.Dropout) and module.p == 0.25]
    block = ["attn.proj_drop", "mlp.drop1", "mlp.drop2"]
    assert places == ["pos_drop", *(f"blocks.{number}.{place}" for number in range(4) for place in block)]
    a_run = run(dropout=0.5, learning_rate=1e-9, head="library")
    same_batch = Split(np.zeros((8, 32, 32), np.uint8), np.zeros(8, np.int64))
    losses = Loop(network(a_run, weights_of(a_run)), same_batch, a_run, Execution(), CPU).train().losses
    assert len({round(loss, 4) for loss in losses}) == 4
    again = Loop(network(a_run, weights_of(a_run)), same_batch, a_run, Execution(), CPU).train().losses
    assert again == losses


def test_the_same_run_twice_gives_the_same_predictions():
    a_run = run()
    weights, data = weights_of(a_run), data_of(a_run)
    first, second = (fine_tune(a_run, weights, data, Execution()) for _ in range(2))
    assert np.array_equal(first.predictions, second.predictions)
    assert first.losses == second.losses
    other = fine_tune(replace(a_run, seed=4), weights, data_of(replace(a_run, seed=4)), Execution())
    assert other.losses != first.losses


def test_another_resolution_is_fine_tuned_with_interpolated_positions():
    outcome = fine_tune(run(resolution=48), weights_of(run()), data_of(run()), Execution())
    assert len(outcome.predictions) == 797


@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_is_evaluated_at_another_size_than_it_was_trained_at(name):
    a_run = run(name, test_resolution=48)
    assert len(fine_tune(a_run, weights_of(a_run), data_of(a_run), Execution()).predictions) == 797
    model = network(a_run, weights_of(a_run))
    moved = at_side(model, a_run, weights_of(a_run)).eval()
    images = torch.rand(2, 3, 48, 48) * 2 - 1
    with torch.no_grad():  # untrained, it is the checkpoint at that size
        wanted = load(weights_of(a_run), classes=10, resolution=48).eval().forward_features(images)
        assert torch.allclose(moved.forward_features(images), wanted, atol=1e-5)


def test_a_recipe_without_steps_keeps_the_checkpoint_s_head_and_trains_nothing():
    a_run = run("micro-vit-m", steps=0, learning_rate=None, learning_rates="", warmup_steps=0)
    classes = read(file_of(a_run.checkpoint))["head/kernel"].shape[1]
    images = synthetic.read("digits").test.images[:30]
    data = Data(Split(images, np.zeros(30, np.int64)).take(np.arange(0)), Split(images, np.zeros(30, np.int64)))
    asked = replace(a_run, dataset=replace(a_run.dataset, classes=classes, test=30))
    outcome = fine_tune(asked, weights_of(a_run), data, Execution())
    with torch.no_grad():
        expected = load(weights_of(a_run)).eval()(three_channels(to_inputs(images, 32))).argmax(1)
    assert outcome.predictions.tolist() == expected.tolist()
    assert len(set(outcome.predictions)) > 1
    assert outcome.losses == ()
    assert outcome.images_per_second > 0
    with pytest.raises(ClaimsError, match=f"micro-vit-m: expected a head of 10 classes for digits-5, found {classes}"):
        fine_tune(a_run, weights_of(a_run), data, Execution())


def test_a_loss_that_is_not_finite_ends_the_run_with_its_batch():
    a_run = run(learning_rate=1e9, steps=30, clip_norm=None, warmup_steps=0)
    seen = []
    outcome = fine_tune(a_run, weights_of(a_run), data_of(a_run), Execution(on_step=seen.append))
    found = outcome.diverged
    assert 0 < found.step < 30
    assert len(outcome.losses) == len(seen) == found.step
    assert np.isfinite(outcome.losses).all()
    assert found.learning_rate == learning_rate(a_run.recipe, found.step)
    with Feed(data_of(a_run).train, a_run, CPU) as feed:
        assert found.examples == tuple(feed.batch(found.step).index)
    assert outcome.predictions.size == 0


def test_of_losses_that_come_late_the_first_that_is_not_finite_counts():
    a_run = run()
    loop = Loop(network(a_run, weights_of(a_run)), data_of(a_run).train, a_run, Execution(), CPU)
    loop.history = History(None, a_run.id, 0)
    loop._look([(step, torch.tensor([loss])) for step, loss in enumerate([2.0, 1.5, float("nan"), float("inf")])])
    loop._look([(4, torch.tensor([1.0]))])
    assert loop.diverged.step == 2
    assert loop.training.losses == [2.0, 1.5]


def test_training_leaves_no_gradient_behind():
    a_run = run()
    model = network(a_run, weights_of(a_run))
    Loop(model, data_of(a_run).train, a_run, Execution(), CPU).train()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_what_does_not_fit_is_one_line_that_holds_no_memory(monkeypatch):
    def too_large(run, weights):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore")

    monkeypatch.setattr("harness.training.torch.engine.network", too_large)
    a_run = run()
    with pytest.raises(ClaimsError, match=r"on cpu, found too little \(CUDA out of memory. .* GiB.\); choose") as found:
        fine_tune(a_run, weights_of(a_run), data_of(a_run), Execution())
    assert found.value.__context__ is None  # its traceback would hold the network for as long as the line is kept


def test_a_card_that_fails_is_one_line_and_one_that_lacks_memory_another(monkeypatch):
    a_run = run(steps=1)
    said = ["CUDA error: unspecified launch failure\nCUDA kernel errors might be reported later"]

    def failing(*args):
        raise torch.AcceleratorError(said[0])

    monkeypatch.setattr("harness.training.torch.engine.network", failing)
    with pytest.raises(ClaimsError) as found:
        fine_tune(a_run, weights_of(a_run), data_of(a_run), Execution())
    assert str(found.value) == (
        f"{a_run.label}: expected cpu to compute, found it failing (CUDA error: unspecified launch failure); look at it"
        " with nvidia-smi and start again, the run goes on from its last saved state"
    )
    assert isinstance(found.value, CardFailed)
    assert copy.copy(found.value).why == "CUDA error: unspecified launch failure"
    said[0] = "CUDA error: out of memory"
    with pytest.raises(TooLittleMemory, match=r"found too little \(CUDA error: out of memory\)"):
        fine_tune(a_run, weights_of(a_run), data_of(a_run), Execution())


def test_a_card_that_another_process_has_to_itself_is_one_line(monkeypatch):
    def busy(*args):
        raise torch.AcceleratorError("CUDA error: CUDA-capable device(s) is/are busy or unavailable\nCUDA kernel")

    monkeypatch.setattr("harness.training.torch.engine.device_context", busy)
    a_run = run(steps=1)
    with pytest.raises(
        CardFailed, match=r"expected cuda to compute, found it failing \(CUDA error: .* unavailable\); look"
    ):
        fine_tune(a_run, weights_of(a_run), data_of(a_run), Execution("cuda"))


def test_what_is_only_tried_is_not_compiled():
    a_run = run()
    loop = Loop(network(a_run, weights_of(a_run)), data_of(a_run).train, a_run, Execution(compile=True), CPU)
    with Feed(loop.split, a_run, CPU) as feed:
        loop._tried(0, feed.batch(0), 4)
    assert not loop.compiled.on
    assert loop.training.step == 0
    assert all(parameter.grad is None for parameter in loop.parameters)


def test_every_step_is_told():
    seen = []
    a_run = run()
    outcome = fine_tune(a_run, weights_of(a_run), data_of(a_run), Execution(on_step=seen.append))
    assert [progress.step for progress in seen] == [0, 1, 2, 3]
    assert tuple(progress.loss for progress in seen) == outcome.losses
    assert [progress.learning_rate for progress in seen] == [learning_rate(a_run.recipe, step) for step in range(4)]
    assert all(progress.images_per_second > 0 for progress in seen)
    assert 0 <= outcome.waiting < 1


def test_bfloat16_is_computed_in_bfloat16_and_is_forgotten_by_the_next_run():
    exact = run()
    weights, data = weights_of(exact), data_of(exact)
    first = fine_tune(exact, weights, data, Execution())
    half = fine_tune(run(precision="bfloat16"), weights, data, Execution())
    again = fine_tune(exact, weights, data, Execution())
    assert half.losses != first.losses
    assert half.losses == pytest.approx(first.losses, rel=0.02)
    assert again.losses == first.losses
    assert np.array_equal(again.predictions, first.predictions)


def test_float16_scales_its_loss_and_leaves_out_a_step_that_overflows():
    a_run = run()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8)
    plain, scaled, skipped = network(a_run, weights_of(a_run)), *(network(a_run, weights_of(a_run)) for _ in range(2))
    Loop(plain, data_of(a_run).train, a_run, Execution(), CPU).train()
    Loop(scaled, data_of(a_run).train, a_run, Execution(), replace(CPU, scaler=scaler)).train()
    for ours, theirs in zip(scaled.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)
    before = [w.detach().clone() for w in skipped.parameters()]
    endless = torch.amp.GradScaler("cpu", init_scale=float("inf"), backoff_factor=0.9)
    Loop(skipped, data_of(a_run).train, a_run, Execution(), replace(CPU, scaler=endless)).train()
    assert all(torch.equal(w, old) for w, old in zip(skipped.parameters(), before, strict=True))


def test_float16_needs_an_accelerator_and_a_device_must_exist():
    with pytest.raises(ClaimsError, match="expected an accelerator for float16, found a CPU"):
        fine_tune(run(precision="float16"), weights_of(run()), data_of(run()), Execution())
    if not torch.cuda.is_available():
        with pytest.raises(ClaimsError, match="device cuda: expected a CUDA device, found none"):
            fine_tune(run(), weights_of(run()), data_of(run()), Execution(device="cuda"))


def test_predicting_says_how_many_images_are_done():
    done = []
    data = data_of(run())
    fine_tune(run(), weights_of(run()), data, Execution(on_images=lambda *counts: done.append(counts)))
    assert len(data.test) > 256  # of one batch
    assert done == [(min(256 * batch, len(data.test)), len(data.test)) for batch in range(1, len(done) + 1)]
    assert done[-1] == (len(data.test), len(data.test))
