"""Accelerators: which there are, asked so that a process can still be given one of its own."""

import pytest
import torch

from harness.training import accelerators


@pytest.fixture
def two_cards(monkeypatch):
    """A PyTorch that was built for CUDA, on a machine where NVML finds two cards; whether CUDA was started is kept."""
    started = []
    monkeypatch.setattr("torch.cuda._is_compiled", lambda: True)
    monkeypatch.setattr("torch.cuda._device_count_nvml", lambda: 2)
    monkeypatch.setattr(torch._C, "_cuda_getDeviceCount", lambda: started.append(1) or 2, raising=False)
    monkeypatch.delenv(accelerators.VARIABLE, raising=False)
    return started


def test_a_process_that_will_be_given_a_card_does_not_start_cuda(two_cards):
    assert accelerators.visible(choosing=True) == ("0", "1")
    assert not two_cards
    assert accelerators.visible() == ("0", "1")
    assert two_cards


@pytest.mark.parametrize("listed", ["3,5", "GPU-8932f937,MIG-1a2b", " 7 , 6 , 4"])
def test_a_list_that_is_set_is_kept_to(two_cards, monkeypatch, listed):
    monkeypatch.setenv(accelerators.VARIABLE, listed)
    assert accelerators.visible() == tuple(name.strip() for name in listed.split(","))[:2]


def test_without_cuda_there_is_none():
    if torch.cuda.is_available():
        pytest.skip("there is one here")
    assert accelerators.visible() == accelerators.visible(choosing=True) == ()
