"""Several processes compute a run as one does; runs of one process do not leave their precision behind."""

import os
import re
import socket
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from harness.catalog.checkpoint_files import file_of
from harness.catalog.recipes import recipe
from harness.data.readers import synthetic
from harness.data.splits import select
from harness.models.npz_layout import read
from harness.runs.run import measure
from harness.runs.store import Store
from harness.training.api import Execution
from harness.training.torch.device import DeviceContext, device_context
from harness.training.torch.evaluation import evaluate
from harness.training.torch.loop import Loop
from harness.training.torch.network import network
from tests.training.torch.test_state import CPU, run

WORKER = """
import sys
from pathlib import Path
from tests.training.torch.test_device import work

work(sys.argv[1], Path(sys.argv[2]))
"""
RUNS = {"micro-vit-s": {"mixup": 0.2, "crop": "inception", "flip": True, "batch_size": 9}, "micro-bit-s": {}}


def asked(name):
    return run(name, **{"steps": 5} | RUNS[name])


def work(name, folder):
    """Train, evaluate and store a run; keep this process' weights and predictions."""
    torch.set_num_threads(1)
    a_run = asked(name)
    here = device_context("cpu", a_run.recipe)
    data = select(synthetic.load(a_run.dataset), a_run)
    model = network(a_run, read(file_of(a_run.checkpoint)))
    trained = Loop(model, data.train, a_run, Execution(), here).train()
    weights = {key: tensor.numpy() for key, tensor in model.state_dict().items()}
    predictions = evaluate(model, data.test, a_run.recipe, here, "m")
    result = measure(a_run, Store(folder), Execution(folder=folder / "work", save_every=0))
    stored = np.array(result.predictions)
    np.savez(
        folder / f"{here.rank}-of-{here.world}.npz",
        losses=trained.losses,
        predictions=predictions,
        stored=stored,
        **weights,
    )


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_train_and_predict_as_one_does(name, tmp_path):
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", WORKER, name, str(tmp_path)]
    processes = []
    for rank in range(2):
        environment = os.environ | where | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    (tmp_path / "alone").mkdir()
    work(name, tmp_path / "alone")
    with np.load(tmp_path / "alone" / "0-of-1.npz") as expected:
        for rank in range(2):
            with np.load(tmp_path / f"{rank}-of-2.npz") as found:
                assert found.files == expected.files
                for key in found.files:
                    if key in ("predictions", "stored"):
                        assert len(found[key]) == 797
                        assert (found[key] == expected[key]).mean() > 0.99  # a tie may fall to either side
                    else:
                        assert found[key] == pytest.approx(expected[key], abs=1e-6), key
    assert Store(tmp_path).get(asked(name)).predictions == tuple(np.load(tmp_path / "0-of-2.npz")["stored"].tolist())
    assert len(list((tmp_path / "work" / "history").iterdir())) == 1


STOPPED = """
import signal, sys
from pathlib import Path
import torch
from harness.training.api import Execution
from harness.training.torch import loop as torch_loop
from harness.models.npz_layout import read
from harness.training.resume import Interrupted
from harness.training.torch.device import device_context
from harness.training.torch.network import network
from harness.data.splits import select
from harness.data.readers import synthetic as tasks
from harness.catalog.checkpoint_files import file_of
from tests.training.torch.test_state import Late, run

a_run = run(steps=60)
here = device_context("cpu", a_run.recipe)
torch_loop.AsyncReadback = Late

def on_step(progress):
    if here.rank == 1 and progress.step == 9:
        signal.raise_signal(signal.SIGTERM)

execution = Execution(folder=Path(sys.argv[1]), save_every=float(sys.argv[2]), on_step=on_step)
model = network(a_run, read(file_of(a_run.checkpoint)))
try:
    torch_loop.Loop(model, select(tasks.load(a_run.dataset), a_run).train, a_run, execution, here).train()
except Interrupted as stopped:
    print(stopped)
"""


@pytest.mark.parametrize("every", [0, 0.02, 600])
def test_processes_stop_at_the_same_step_though_losses_come_late_and_one_saves(every, tmp_path):
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", STOPPED, str(tmp_path), str(every)]
    processes = []
    for rank in range(2):
        environment = os.environ | where | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    try:
        said = {process.communicate(timeout=120)[0] for process in processes}
    finally:
        for process in processes:
            process.kill()
    (line,) = said
    done = int(re.search(r"stopped after (\d+) steps, state saved", line)[1])
    assert 10 < done <= 20
    assert f"step-{done:09}" in [path.stem for path in (tmp_path / "states" / run(steps=60).id).iterdir()]


RESUMED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from harness.training.api import Execution
from harness.training.resume import Interrupted, folder_of, saved
from harness.training.torch.loop import Loop
from tests.training.torch.test_device import *

a_run, folder, stop = run(steps=12), Path(sys.argv[1]) / os.environ["RANK"], sys.argv[2] == "stop"
folder.mkdir(exist_ok=True)
here = device_context("cpu", a_run.recipe)

def on_step(progress):
    if stop and progress.step == 5:
        signal.raise_signal(signal.SIGTERM)

model = network(a_run, read(file_of(a_run.checkpoint)))
split = select(synthetic.load(a_run.dataset), a_run).train
loop = Loop(model, split, a_run, Execution(folder=folder, on_step=on_step), here)
try:
    trained = loop.train()
except Interrupted:
    print("stopped")
else:
    weights = {key: tensor.numpy() for key, tensor in model.state_dict().items()}
    np.savez(folder / "end.npz", losses=trained.losses, first=loop.first, **weights)
"""


def test_processes_without_a_common_disk_go_on_from_the_first_ones_state(tmp_path):
    for asked_to in ("stop", "finish"):
        where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", RESUMED, str(tmp_path), asked_to]
        processes = []
        for rank in range(2):
            environment = os.environ | where | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
        said = [process.communicate(timeout=300)[0].strip() for process in processes]
        assert said == (["stopped", "stopped"] if asked_to == "stop" else ["", ""])
        assert [(tmp_path / rank / "states").exists() for rank in "01"] == [True, False]
    a_run = run(steps=12)
    model = network(a_run, read(file_of(a_run.checkpoint)))
    alone = Loop(model, select(synthetic.load(a_run.dataset), a_run).train, a_run, Execution(), CPU).train()
    for rank in "01":
        with np.load(tmp_path / rank / "end.npz") as found:
            assert 6 <= found["first"] <= 8  # a step may end before the signal is looked at
            assert found["losses"] == pytest.approx(alone.losses, abs=1e-6)
            for key, tensor in model.state_dict().items():
                assert found[key] == pytest.approx(tensor.numpy(), abs=1e-6), key


def test_gradients_are_summed_in_buckets_of_one_type(monkeypatch):
    monkeypatch.setattr("torch.distributed.all_reduce", lambda flat: flat.mul_(2))
    monkeypatch.setattr("harness.training.torch.device.BUCKET", 64)
    given = [torch.ones(3, 3), torch.ones(20), torch.ones(2, dtype=torch.float64), torch.ones(())]
    kept = [tensor.clone() for tensor in given]
    DeviceContext(torch.device("cpu"), world=2).sum(given)
    assert all(torch.equal(tensor, 2 * old) for tensor, old in zip(given, kept, strict=True))
    DeviceContext(torch.device("cpu")).sum(given)
    assert all(torch.equal(tensor, 2 * old) for tensor, old in zip(given, kept, strict=True))


def test_a_run_s_precision_is_its_own():
    a, b = torch.randn(4, 4), torch.randn(4, 4)
    for precision, dtype in [("float32", torch.float32), ("bfloat16", torch.bfloat16), ("float32", torch.float32)]:
        with device_context("cpu", replace(recipe("micro"), precision=precision)).autocast():
            assert (a @ b).dtype == dtype
    assert torch.get_num_threads() == 1
