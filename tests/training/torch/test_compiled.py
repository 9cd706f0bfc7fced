"""Compiled blocks: alike ones share a program that later processes find; what fails or disagrees is given up."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness.training.api import Execution
from harness.training.torch import loop as loop_module
from harness.training.torch.compiled import CompiledPath
from harness.training.torch.device import DeviceContext
from harness.training.torch.loop import Loop
from harness.training.torch.network import blocks_of, network
from tests.training import tiny

PROGRAM = Path(__file__).with_name("compiled_program.py")
ROOT = PROGRAM.parents[3]


@pytest.mark.slow
def test_blocks_that_are_alike_share_a_program_that_the_next_process_finds(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TORCHINDUCTOR")}
    environment |= {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(PROGRAM), str(tmp_path)]
    found = []
    for _ in range(2):
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        found.append(json.loads(done.stdout.splitlines()[-1]))
    for each in found:
        assert each["kernels"] == ["compiled", ""]
        assert (each["blocks"], each["programs"]) == (4, 1)
        assert each["losses"][0] == pytest.approx(each["losses"][1], rel=1e-2)
        assert each["apart"] < 1e-2
    assert [each["found"] for each in found] == [0, 1]
    assert found[0]["losses"] == found[1]["losses"]
    assert any((tmp_path / "compiled").iterdir())


def lap(execution, **changed):
    """Return what a run's loop says, and the weights that it leaves."""
    a_run = tiny.run(framework="torch", **{"steps": 2, "batch_size": 6} | changed)
    model = network(a_run, tiny.weights_of(a_run))
    trained = Loop(model, tiny.data_of(a_run).train, a_run, execution, DeviceContext(torch.device("cpu"))).train()
    assert not any("forward" in vars(module) for module in model.modules())
    return trained, [each.detach() for each in model.parameters()]


def failing(forward, **options):
    def raised(*args):
        raise RuntimeError("no compiler\nat all")

    return raised


def wrong(forward, **options):
    return lambda x: forward(x).roll(1, -1)


def right(forward, **options):
    return lambda x: forward(x)


@pytest.mark.parametrize(
    ("compiling", "says"),
    [(failing, "PyTorch's: the compiled ones failed (no compiler)"),
     (wrong, "PyTorch's: the compiled ones disagree (a gradient was "), (right, "compiled")],
)  # fmt: skip
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_what_fails_or_disagrees_is_given_up_and_the_run_is_pytorchs(compiling, says, dropout, monkeypatch, capsys):
    monkeypatch.setattr(loop_module, "_CHECKED", {})
    plain, weights = lap(Execution(), dropout=dropout)
    monkeypatch.setattr(torch, "compile", compiling)
    trained, found = lap(Execution(compile=True), dropout=dropout)
    assert trained.kernels.startswith(says)
    assert trained.losses == plain.losses
    for mine, theirs in zip(found, weights, strict=True):
        assert torch.equal(mine, theirs)
    assert capsys.readouterr().err.count("\n") == (compiling is not right)


def test_a_network_is_compiled_as_it_trains_and_compared_on_as_many_examples(monkeypatch):
    monkeypatch.setattr(loop_module, "_CHECKED", {})
    sizes = []

    def compiling(forward, **options):
        return lambda x: sizes.append((len(x), torch.is_grad_enabled())) or forward(x)

    monkeypatch.setattr(torch, "compile", compiling)
    trained, _ = lap(Execution(compile=True, micro_batch=3))
    assert trained.kernels == "compiled"
    assert set(sizes) == {(3, True)}


def test_every_family_has_blocks_to_compile():
    for name in tiny.NETWORKS:
        a_run = replace(tiny.run(name, framework="torch"))
        model = network(a_run, tiny.weights_of(a_run))
        assert len(blocks_of(model)) == (2 if "hybrid" in name else 1)
        path = CompiledPath(model, None)
        path.start()
        assert all("forward" in vars(block) for block in path.blocks)
        path.stop()
