"""The memory format of a network on an accelerator: tried once for a kind of run and card, then noted."""

import pytest
import torch

from harness.models.architectures import BitArchitecture
from harness.models.torch.bit import bit_module
from harness.training.notes import Notes
from harness.training.torch import network
from harness.training.torch.device import DeviceContext
from harness.training.torch.network import faster_format

LAST, FIRST = torch.channels_last, torch.contiguous_format


@pytest.fixture
def tried(monkeypatch):
    """What was tried: (layout, number of images, whether it trained); channels last are faster for training."""
    found = []

    def seconds(model, images, context, training):
        layout = LAST if images.is_contiguous(memory_format=LAST) else FIRST
        assert model.stem.conv.weight.is_contiguous(memory_format=layout)
        found.append((layout, len(images), training))
        assert images.std() > 0
        return float((layout is LAST) != training)

    monkeypatch.setattr(network, "_seconds", seconds)
    monkeypatch.setattr(DeviceContext, "card", lambda self: "a card")
    monkeypatch.setattr(DeviceContext, "accelerated", True)
    return found


def chosen(notes, training=True):
    model = bit_module(BitArchitecture(stem_width=32, stages=((1, 128),), classes=10))
    context = DeviceContext(torch.device("cpu"))
    found = faster_format(model, 3, 16, context, training, notes)
    assert model.stem.conv.weight.is_contiguous(memory_format=found)
    return found


def test_every_seed_is_computed_in_the_format_that_was_found_first(tried, tmp_path, monkeypatch):
    notes = Notes(tmp_path / "notes.json")
    assert chosen(notes) is LAST
    assert tried == [(FIRST, 16, True), (LAST, 16, True)]
    assert chosen(notes) is LAST
    assert len(tried) == 2
    # A run that only evaluates is another matter, and so is another card.
    assert chosen(notes, training=False) is FIRST
    assert tried[2:] == [(FIRST, 16, False), (LAST, 16, False)]
    monkeypatch.setattr(DeviceContext, "card", lambda self: "another card")
    chosen(notes)
    assert len(tried) == 6
    chosen(None)
    assert len(tried) == 8


def test_a_note_that_names_no_format_is_none(tried, tmp_path):
    notes = Notes(tmp_path / "notes.json")
    chosen(notes)
    (key,) = notes._read()
    for wrong in (3, "sideways"):
        notes.put(key, wrong)
        assert chosen(notes) is LAST
        assert notes.get(key) == "channels last"


def test_a_batch_too_large_for_memory_is_tried_smaller(tried, monkeypatch):
    counted = network._seconds

    def lacking(model, images, context, training):
        if len(images) > 2:
            raise torch.OutOfMemoryError("too little")
        return counted(model, images, context, training)

    monkeypatch.setattr(network, "_seconds", lacking)
    assert chosen(None) is LAST
    assert {count for _, count, _ in tried} == {2}
