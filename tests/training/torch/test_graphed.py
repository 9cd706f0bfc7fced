"""CUDA graphs where there is no card: what is compared, given up and noted; the graphs themselves are a stand-in's."""

import re
import time
from dataclasses import replace

import pytest
import torch
from torch import nn

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import dataset
from harness.catalog.recipes import recipe
from harness.core.run import Run
from harness.data.readers import synthetic
from harness.data.splits import select
from harness.models.architectures import ViTArchitecture
from harness.models.torch.vit import ReferenceViT
from harness.training.api import Execution
from harness.training.torch import graphed
from harness.training.torch import loop as loop_module
from harness.training.torch.device import DeviceContext, device_context
from harness.training.torch.graphed import GraphedPath, Trial, checked
from harness.training.torch.loop import Loop
from harness.training.torch.network import set_dropout
from harness.training.torch.state import Training

CPU = DeviceContext(torch.device("cpu"))
VIT = ViTArchitecture(width=32, depth=1, heads=2, mlp_size=48, patch=(8, 8), grid=(2, 2), classes=10)


class Graphs:
    """In place of CUDA's: inputs are read from where the captured ones were, and gradients left where the last were."""

    def __init__(self, stale=False, slow=0.0, error=None):
        self.stale, self.slow, self.error = stale, slow, error
        self.captured = 0

    def __call__(self, module, sample, allow_unused_input, capture_error_mode):
        assert allow_unused_input
        assert capture_error_mode == "thread_local"
        if self.error is not None:
            raise self.error
        self.captured += 1
        place, *leaves = sample
        # The network's own forward is replaced by the replay while that is on.
        module.model = Unreplaced(module.model)
        parameters = list(module.model.of[0].parameters())
        kept = [torch.full_like(each, float("nan")) for each in (*leaves, *parameters)]
        graphs = self

        class Replayed(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, *others):
                assert [id(each) for each in others] == [id(each) for each in (*leaves, *parameters)]
                if not graphs.stale:
                    place.copy_(x)
                time.sleep(graphs.slow)
                for each in kept:  # activations are put where gradients were
                    each.fill_(float("nan"))
                with torch.enable_grad():
                    ctx.made = module(place.clone(), *leaves)
                return ctx.made.detach()

            @staticmethod
            def backward(ctx, gradient):
                found = torch.autograd.grad(ctx.made, (*leaves, *parameters), gradient, allow_unused=True)
                for mine, theirs in zip(kept, found, strict=True):
                    if theirs is not None:
                        mine.copy_(theirs)
                given = zip(kept, found, strict=True)
                return None, *(None if theirs is None else mine.detach() for mine, theirs in given)

        return lambda x, *others: Replayed.apply(x, *others, *parameters)


class Unreplaced(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.of = [model]

    def forward(self, x):
        return type(self.of[0]).forward(self.of[0], x)


@pytest.fixture
def graphs(monkeypatch):
    def use(**given):
        made = Graphs(**given)
        monkeypatch.setattr(torch.cuda, "make_graphed_callables", made)
        return made

    monkeypatch.setattr(loop_module, "_CHECKED", {})
    monkeypatch.setattr(graphed, "FASTER", float("inf"))
    return use


def network(dropout=0.0):
    torch.manual_seed(0)
    model = ReferenceViT(VIT)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.2)
    set_dropout(model, dropout)
    return model


def comparison(model):
    images = torch.randn(4, 3, 16, 16)

    def compute(batch):
        model.zero_grad()
        model(batch).square().sum().backward()

    return Trial(images, compute, lambda: [one.grad for one in model.parameters()], model.zero_grad, CPU)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({}, ""),
        ({"stale": True}, r"disagrees \(gradients were 0, [\d.]+ of their norm from those of kernels launched one"),
        ({"error": RuntimeError("operation not permitted\nwhen capturing")}, r"failed \(operation not permitted\)$"),
        ({"error": torch.OutOfMemoryError("CUDA out of memory. Tried")}, r"failed \(CUDA out of memory. Tried\)$"),
    ],
    ids=["agrees", "stale inputs", "not captured", "no memory"],
)
def test_gradients_of_two_batches_are_compared(graphs, given, wrong):
    graphs(**given)
    model = network()
    path = GraphedPath(model, torch.float32)
    found = checked(path, comparison(model))
    assert not path.on
    assert "forward" not in vars(model)
    if wrong:
        assert re.match(wrong, found), found
        assert path._graphed is None
    else:
        assert found == ""
        path.start()
        assert path.on
        path.release()


def test_a_graph_that_is_not_faster_is_not_used(graphs, monkeypatch):
    monkeypatch.setattr(graphed, "FASTER", 0.95)
    graphs(slow=0.05)
    model = network()
    found = checked(GraphedPath(model, torch.float32), comparison(model))
    assert found.startswith("is not faster (")


def a_run(**changed):
    few = replace(recipe("micro"), batch_size=4, warmup_steps=0, steps=3, resolution=16, **changed)
    return Run(checkpoint("micro-vit-s"), dataset("digits-5"), few, 0)


def trained(run, execution=None, graphs=True):
    """Train on the CPU as if on a card, and return the loop, the outcome and the weights."""
    split = select(synthetic.load(run.dataset), run).train
    loop = Loop(network(run.recipe.dropout), split, run, execution or Execution(), device_context("cpu", run.recipe))
    loop.graphs = graphs
    return loop, loop.train(), [each.detach() for each in loop.model.parameters()]


@pytest.mark.parametrize(
    "changed",
    [{}, {"dropout": 0.5, "clip_norm": 1e-3}, {"polyak": 0.9, "clip_norm": None}, {"precision": "bfloat16"}],
    ids=str,
)
def test_a_run_by_graphs_is_the_run_without_them(graphs, changed, monkeypatch):
    made, run = graphs(), a_run(**changed)
    loop, done, weights = trained(run)
    _, alone, expected = trained(run, graphs=False)
    monkeypatch.setattr(graphed, "_compared", None)  # once a process; then it is only captured
    again = trained(run)
    assert (again[1].losses, made.captured) == (done.losses, 2)
    assert (done.kernels, alone.kernels) == ("one CUDA graph", "")
    assert "forward" not in vars(loop.model)
    assert done.losses == alone.losses
    assert all(map(torch.equal, weights, expected))


@pytest.mark.parametrize(
    ("given", "kernels"),
    [
        ({"error": RuntimeError("no\nway")}, "launched one by one: a CUDA graph failed (no)"),
        ({"stale": True}, "launched one by one: a CUDA graph disagrees (gradients were "),
        ({"slow": 0.01}, ""),
    ],
    ids=["failed", "stale", "slower"],
)
def test_where_graphs_are_given_up_the_run_is_the_run_without_them(graphs, given, kernels, monkeypatch, capsys):
    made, run = graphs(**given), a_run()
    if not kernels:
        monkeypatch.setattr(graphed, "FASTER", 0.95)
    _, done, weights = trained(run)
    _, alone, expected = trained(run, graphs=False)
    assert done.kernels.startswith(kernels)
    assert bool(done.kernels) == bool(kernels)
    assert done.losses == alone.losses
    assert all(map(torch.equal, weights, expected))
    said = capsys.readouterr().err
    assert (f"{run.label}: {kernels}" in said) == bool(kernels)
    trained(run)  # it is known by now
    assert made.captured == ("error" not in given)


@pytest.mark.parametrize(
    "execution, changed", [(Execution(micro_batch=2), {}), (Execution(compile=True), {})], ids=["two parts", "compiled"]
)
def test_what_graphs_are_not_for_is_launched_one_by_one(graphs, execution, changed, monkeypatch):
    made = graphs()
    if execution.compile:
        monkeypatch.setattr(Loop, "_check_compiled", lambda self, batch: None)
        assert not Loop(network(), [], a_run(), execution, DeviceContext(torch.device("cpu"))).graphs
    else:
        trained(a_run(**changed), execution)
    assert made.captured == 0


def test_parts_that_become_smaller_are_launched_one_by_one(graphs):
    made, run = graphs(), a_run()
    split = select(synthetic.load(run.dataset), run).train
    loop = Loop(network(), split, run, Execution(), device_context("cpu", run.recipe))
    loop.graphs = True
    plain = loop._update

    def update(step):
        plain(step)
        if step == 0:
            assert loop.graphed is not None
            loop.micro.size = 2

    loop._update = update
    assert len(loop.train().losses) == 3
    assert loop.graphed is None
    assert made.captured == 1
    said = "one CUDA graph; from step 1 launched one by one: there was too little memory"
    assert loop.training.kernels == said


def test_each_way_in_which_steps_were_computed_is_said_once():
    training = Training(network(), None)
    said = "fused, one CUDA graph"
    for kernels, added in (
        (("fused", "one CUDA graph"), ""),
        (("fused", "one CUDA graph"), ""),
        (("fused", ""), "; from step 2 fused"),
        (("", ""), "; from step 3 PyTorch's"),
        (("", ""), ""),
        (("", "one CUDA graph"), "; from step 5 one CUDA graph"),
    ):
        said += added
        training.computed_by(*kernels)
        assert training.kernels == said
        training.losses.append(1.0)
    plain = Training(network(), None)
    plain.computed_by("", "")
    plain.losses.append(1.0)
    plain.computed_by("fused")
    assert plain.kernels == "PyTorch's; from step 1 fused"
