"""Where a run is computed: an accelerator only where there is one, and never for what comes with the project."""

import platform
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from harness.core.errors import ClaimsError
from harness.training.devices import accelerators, card_name, choose
from tests.core.test_run import run

CARDS = torch.cuda.device_count() if torch.cuda.is_available() else 0


def released(backend="torch"):
    made = run()
    return replace(made, checkpoint=replace(made.checkpoint, file="", sources=("gs://b/x.npz",)), backend=backend)


def shipped():
    made = run()
    return replace(made, checkpoint=replace(made.checkpoint, file="micro/checkpoints/vit-l.npz"))


def test_a_shipped_checkpoint_is_computed_on_the_cpu_whatever_there_is():
    assert choose(shipped()) == choose(shipped(), "cpu") == "cpu"
    for option in ("cuda", "cuda:0"):
        with pytest.raises(ClaimsError, match="expected cpu for .*, which comes with the project"):
            choose(shipped(), option)


def test_auto_is_an_accelerator_if_there_is_one():
    assert choose(released()) == ("cuda" if CARDS else "cpu")
    assert choose(released(), "cpu") == "cpu"
    assert accelerators("torch") == CARDS


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_an_accelerator_that_is_not_here_is_one_line(backend):
    with pytest.raises(ClaimsError, match=f"--device cuda:99: expected such an accelerator for {backend}, found "):
        choose(released(backend), "cuda:99")


@pytest.mark.parametrize("option", ["gpu", "cuda:", "cuda:x", "CPU", "", "cuda:0 "])
def test_other_words_are_refused(option):
    with pytest.raises(ClaimsError, match="--device: expected auto, cpu, cuda or cuda:N, found "):
        choose(released(), option)


def test_a_device_has_a_name():
    assert card_name("cpu") == card_name("cpu", "jax") == "cpu"
    if CARDS:
        assert card_name("cuda") == torch.cuda.get_device_properties(0).name


NEW_PAGES = """
import resource
import numpy as np
from harness.training.devices import keep_memory

keep_memory()
for megabytes in (30, 24, 30):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    array = np.ones(megabytes << 20, np.uint8)
    del array
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_freed_memory_is_kept():
    done = subprocess.run([sys.executable, "-c", NEW_PAGES], capture_output=True, text=True, check=True, timeout=60)
    first, *later = map(int, done.stdout.split())
    assert first > 10  # huge pages, where there are any: 15 of them
    assert max(later) < 10
