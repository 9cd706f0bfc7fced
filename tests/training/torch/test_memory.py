"""The micro-batch that fits: found by trying, the gradient unchanged, remembered for the next run."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from harness.catalog.checkpoint_files import file_of
from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import dataset
from harness.catalog.recipes import recipe
from harness.core.errors import ClaimsError
from harness.core.run import Run
from harness.data.readers import synthetic
from harness.data.splits import select
from harness.training.api import Execution
from harness.training.micro_batches import Remembered, fitting
from harness.training.torch.device import DeviceContext
from harness.training.torch.loop import Loop
from harness.training.torch.memory import (
    MicroBatch,
    attempted,
    estimate,
    fitting_on_cpu,
    kept_for_backward,
    out_of_memory,
)
from harness.training.torch.network import network

CPU = DeviceContext(torch.device("cpu"))


def run(name="micro-vit-s", **changed):
    short = replace(recipe("micro"), **{"steps": 3, "batch_size": 14, "warmup_steps": 0} | changed)
    return Run(checkpoint(name), dataset("digits-5"), short, seed=3)


class Small(nn.Module):
    """A network on a device that holds the activations of `room` images; of 8 times as many if it recomputes them."""

    def __init__(self, model, room, after=0):
        super().__init__()
        self.model, self.room, self.after = model.double(), room, after
        self.sizes = []

    def set_grad_checkpointing(self, enable):
        self.model.set_grad_checkpointing(enable)
        self.room *= 8

    def forward(self, x):
        self.sizes.append(len(x))
        y = self.model(x.double())
        if len(x) > self.room and len(self.sizes) > self.after:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return y


def trained(a_run, model, execution=None):
    from harness.models.npz_layout import read

    made = model(network(a_run, read(file_of(a_run.checkpoint))))
    data = select(synthetic.load(a_run.dataset), a_run)
    done = Loop(made, data.train, a_run, execution or Execution(), CPU).train()
    return done, made, torch.cat([w.detach().flatten() for w in made.parameters()])


@pytest.mark.parametrize("after", [0, 1, 2], ids=["first step", "second step", "third step"])
@pytest.mark.parametrize("changed", [{}, {"dropout": 0.2}], ids=["", "dropout"])
def test_the_batch_is_halved_until_it_fits_and_the_update_is_the_same(after, changed):
    a_run = run(**changed)
    done, made, weights = trained(a_run, lambda model: Small(model, 5, after))
    assert done.micro_batch == 4
    assert made.sizes[after + 2 :] == [4, 4, 4, 2] * (3 - after)  # 14 and 7 did not fit
    assert len(done.losses) == 3
    if not changed:  # other parts have other dropout masks
        whole, _, expected = trained(a_run, lambda model: Small(model, 99))
        assert torch.allclose(weights, expected, rtol=0, atol=1e-9)
        assert done.losses == pytest.approx(whole.losses, rel=1e-9)
        assert whole.micro_batch is None


@pytest.mark.parametrize("name", ["micro-vit-s", "micro-bit-s", "micro-hybrid-s"])
def test_activations_are_recomputed_once_even_few_images_do_not_fit(name):
    a_run = run(name)
    done, made, weights = trained(a_run, lambda model: Small(model, 1))
    assert made.room == 8
    assert done.micro_batch == 7
    _, _, expected = trained(a_run, lambda model: Small(model, 99))
    assert torch.allclose(weights, expected, rtol=0, atol=1e-9)


def test_not_even_one_image_is_one_line():
    with pytest.raises(ClaimsError, match="expected memory for one example at a time, found too little"):
        trained(run(), lambda model: Small(model, 0))


def test_what_fitted_is_tried_first_the_next_time(tmp_path):
    a_run, execution = run(), Execution(folder=tmp_path)
    trained(a_run, lambda model: Small(model, 5), execution)
    again = replace(a_run, seed=4)
    _, made, _ = trained(again, lambda model: Small(model, 5), execution)
    assert made.sizes == [4, 4, 4, 2] * 3
    (entry,) = json.loads((tmp_path / "micro_batches.json").read_text()).values()
    assert entry == {"micro_batch": 4, "whole": False, "checkpointing": False}
    for other in (run("micro-bit-s"), run(resolution=48), run(precision="bfloat16")):
        assert Remembered(tmp_path, other, "cpu").get(14) is None
    assert Remembered(tmp_path, again, "cpu").get(14) == (4, False)
    assert Remembered(tmp_path, again, "cpu").get(3) == (3, False)
    assert Remembered(tmp_path, again, "NVIDIA H100").get(14) is None


def test_a_whole_batch_that_fitted_says_nothing_of_a_larger_one(tmp_path):
    remembered = Remembered(tmp_path, run(), "card")
    remembered.put(MicroBatch(nn.Identity(), 32))
    assert remembered.get(32) == (32, False)
    assert remembered.get(64) is None


@pytest.mark.parametrize("content", ["", "[]", '{"key": 3}', "{"])
def test_a_damaged_memory_is_no_memory(tmp_path, content):
    (tmp_path / "micro_batches.json").write_text(content)
    remembered = Remembered(tmp_path, run(), "cpu")
    assert remembered.get(14) is None
    remembered.put(MicroBatch(nn.Identity(), 14, 7))
    assert remembered.get(14) == (7, False)


def test_only_memory_is_a_reason_to_try_again():
    assert out_of_memory(RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear"))
    for said in (
        "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "GET was unable to find an engine to execute this computation",
        "FIND was unable to find an engine to execute this computation",
        "Unable to find a valid cuDNN algorithm to run convolution",
    ):
        assert out_of_memory(RuntimeError(said))
    assert not out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not out_of_memory(ValueError("out of memory."))

    def fail():
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        attempted(fail)


def test_the_estimate_leaves_room_for_the_gradient_itself():
    # 100 bytes whatever the number of examples, and 10 for each; 0.85 of 1,000 bytes hold 75 examples.
    assert fitting((140, 180), (4, 8), 1000, 300) == 75
    assert fitting((140, 180), (4, 8), 1000, 80) == 40  # two equal parts
    assert fitting((140, 180), (4, 8), 1000, 64) == 64
    assert fitting((140, 180), (4, 8), 1000, 512) == 64  # seven parts would not be equal
    assert fitting((140, 180), (4, 8), 1000, 79) == 40  # no number of parts from two to three would
    assert fitting((140, 180), (4, 8), 100, 64) == 1
    assert fitting((140, 140), (4, 4), 1000, 4) == 4


@pytest.mark.parametrize("room", [1200, 3000, 100_000])
def test_a_number_of_examples_is_believed_once_it_was_tried(room, monkeypatch):
    taken, tried = [0], []

    def bytes_of(n):  # the gradient of the weights is the peak for a few examples, activations are for many
        return max(500 + n, 20 + 10 * n)

    def gradient(n):
        tried.append(n)
        if bytes_of(n) > room:
            raise torch.OutOfMemoryError("too much")
        taken[0] = bytes_of(n)

    for name, value in {
        "reset_peak_memory_stats": lambda device: None,
        "memory_allocated": lambda device: 0,
        "max_memory_allocated": lambda device: taken[0],
        "mem_get_info": lambda device: (room, room),
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    found = estimate(gradient, 512, torch.device("cuda"))
    assert bytes_of(found) <= room
    assert found <= max(tried)
    assert found >= {1200: 64, 3000: 128, 100_000: 512}[room]
    assert len(tried) <= 12


@pytest.mark.parametrize("size", range(1, 15))
def test_parts_are_the_batch_and_none_is_larger_than_asked(size):
    parts = MicroBatch(nn.Identity(), 14, size).parts(14)
    assert [number for part in parts for number in range(*part)] == list(range(14))
    assert max(stop - start for start, stop in parts) <= size


def kept(n):
    """A forward pass that keeps 4 * 1,000 bytes of each of n examples, and a weight."""
    weight = torch.ones(1000, requires_grad=True)
    return (torch.ones(n, 1000) * weight).sum()


def test_what_a_cpu_keeps_for_the_backward_pass_is_counted():
    assert kept_for_backward(lambda: kept(5)) - kept_for_backward(lambda: kept(4)) == 4000


def test_a_batch_that_fits_a_cpu_stays_whole_and_a_larger_one_is_split_or_refused():
    assert fitting_on_cpu(kept, 512, None) == 512
    assert fitting_on_cpu(kept, 512, 10**9) == 512
    part = fitting_on_cpu(kept, 512, 1_000_000)
    assert 1 < part < 512
    assert part * 4000 < 1_000_000
    with pytest.raises(ClaimsError, match="expected .* GB of free memory for one example at a time, found 0.0 GB"):
        fitting_on_cpu(kept, 512, 1000)


def test_a_run_on_a_cpu_with_little_memory_is_split_and_trains_alike(monkeypatch):
    from harness.models.npz_layout import read

    own = run(batch_size=14)
    own = replace(own, checkpoint=replace(own.checkpoint, file="/elsewhere.npz"))
    found = {}
    for room in (10**12, 300_000):
        monkeypatch.setattr("harness.training.torch.loop.available", lambda room=room: room)
        model = network(own, read(file_of(checkpoint("micro-vit-s"))))
        loop = Loop(model, select(synthetic.load(own.dataset), own).train, own, Execution(), CPU)
        found[room] = loop.train()
    whole, split = found.values()
    assert whole.micro_batch is None
    assert 1 <= split.micro_batch < 14
    assert split.losses == pytest.approx(whole.losses, abs=1e-5)
