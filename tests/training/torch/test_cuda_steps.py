"""The training and evaluation step of every family on a CUDA device that has no values: types, layouts, operations."""

import contextlib
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from harness.catalog.checkpoints import checkpoint
from harness.catalog.recipes import recipe
from harness.core.run import Run
from harness.core.specs import Dataset
from harness.cost.networks import Network, module
from harness.models.architectures import BitArchitecture, HybridStem, ViTArchitecture
from harness.training.api import EVALUATION_BATCH, Execution
from harness.training.torch import evaluation
from harness.training.torch.fused import suits
from harness.training.torch.fused.path import able
from harness.training.torch.loop import Loop
from harness.training.torch.network import set_dropout
from tests.training.torch.fake_cuda import DEVICE, NoReadback, Operations, context, fake_card, images, on_card

VIT = {"width": 64, "depth": 1, "heads": 4, "mlp_size": 128, "patch": (8, 8), "grid": (4, 4), "classes": 10}
FAMILIES = {
    "vit": Network(ViTArchitecture(**VIT)),
    "hybrid": Network(ViTArchitecture(**VIT | {"patch": (2, 2)}, stem=HybridStem(32, (1,)))),
    "bit": Network(BitArchitecture(stem_width=32, stages=((1, 128), (1, 256)), classes=10)),
    "convnext": Network(None, "convnext_atto", "timm"),
}
SIDE, CLASSES, BATCH = 32, 10, 16
LOWER = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


def a_run(**changed):
    base = replace(recipe("micro"), batch_size=BATCH, warmup_steps=0, resolution=SIDE, steps=2, precision="bfloat16")
    noise = Dataset("noise", CLASSES, 64, 64, "noise", "0" * 64, 0.1)
    return Run(checkpoint("micro-vit-s"), noise, replace(base, **changed), 0)


def network_of(family, run):
    model = module(FAMILIES[family], SIDE, CLASSES)
    for each in model.modules():
        if hasattr(each, "fused_attn"):
            each.fused_attn = True
    set_dropout(model, run.recipe.dropout)
    return model


def steps(monkeypatch, family, micro_batch=BATCH, checkpointing=False, fused=False, **changed):
    """Return what each of a run's steps starts on the card."""
    run, found = a_run(**changed), []
    laid = torch.channels_last if fused and family == "bit" else torch.contiguous_format
    model = network_of(family, run)
    with fake_card(monkeypatch):
        on_card(model, laid)
        execution, here = Execution("cuda", micro_batch=micro_batch, graphed=False), context(run.recipe.precision)
        assert able(model, run.recipe, here) == (family != "convnext" and suits(run.recipe, family == "bit"))
        loop = Loop(model, images(64, SIDE, CLASSES), run, execution, here, laid, fused)
        if fused:  # there are no values to compare
            monkeypatch.setattr(loop, "_check_fused", lambda *args: loop.fused.start())
        if checkpointing:
            assert loop.micro._checkpoint()
        plain = loop._step

        def counted(*args):
            with Operations() as operations:
                plain(*args)
            found.append(operations)

        monkeypatch.setattr(loop, "_step", counted)
        trained = loop.train()
        for parameter in model.parameters():
            assert parameter.device == DEVICE
            assert parameter.dtype == torch.float32
    assert len(trained.losses) == 2
    return found


@pytest.mark.parametrize("precision", LOWER)
@pytest.mark.parametrize("family", FAMILIES)
def test_products_are_computed_in_the_recipes_precision_and_nothing_goes_to_the_host(family, precision, monkeypatch):
    for each in steps(monkeypatch, family, precision=precision, crop="inception", flip=True):
        products = Counter(name.split()[1] for name in each.types.elements())
        assert set(products) == {str(LOWER[precision])}
        assert not each.on_host


BUDGETS = {
    "vit": {
        "plain": 101,
        "dropout": 109,
        "mixup": 123,
        "average": 102,
        "momentum in bfloat16": 141,
        "two parts": 211,
        "checkpointing": 119,
        "no clipping": 93,
        "fused": 67,
        "fused, clipping": 76,
        "fused, momentum in bfloat16": 69,
        "fused, dropout": 81,
        "fused, two parts": 151,
        "fused, checkpointing": 74,
    },
    "hybrid": {"plain": 276, "dropout": 284, "checkpointing": 338, "fused": 242},
    "bit": {"plain": 155, "mixup": 177, "two parts": 324, "fused": 75, "fused, two parts": 172, "fused, average": 76},
    "convnext": {"plain": 532, "two parts": 1148},
}
"""Operations that a step starts, by family and by what else its recipe asks for: blocks of one unit, two for BiT."""
OPTIONS = {
    "plain": {},
    "dropout": {"dropout": 0.1},
    "mixup": {"mixup": 0.2},
    "average": {"polyak": 0.999},
    "momentum in bfloat16": {"momentum_dtype": "bfloat16"},
    "two parts": {"micro_batch": BATCH // 2},
    "checkpointing": {"checkpointing": True},
    "no clipping": {"clip_norm": None},
    "fused": {"fused": True, "clip_norm": None},
    "fused, clipping": {"fused": True, "clip_norm": 1.0},
    "fused, momentum in bfloat16": {"fused": True, "clip_norm": None, "momentum_dtype": "bfloat16"},
    "fused, two parts": {"fused": True, "clip_norm": None, "micro_batch": BATCH // 2},
    "fused, dropout": {"fused": True, "clip_norm": None, "dropout": 0.1},
    "fused, checkpointing": {"fused": True, "clip_norm": None, "checkpointing": True},
    "fused, average": {"fused": True, "clip_norm": None, "polyak": 0.999},
}


@pytest.mark.parametrize(("family", "option"), [(family, option) for family in BUDGETS for option in BUDGETS[family]])
def test_a_step_starts_no_more_operations_than_budgeted(family, option, monkeypatch):
    found = steps(monkeypatch, family, **OPTIONS[option])
    assert found[-1].total <= BUDGETS[family][option], found[-1].ops
    assert not found[-1].on_host
    if "fused" in option and family != "bit":
        assert found[-1].ops["update_copied"] == 1
        assert not {name for name in found[-1].ops if "layer_norm" in name}
    elif "fused" in option:
        assert found[-1].ops["update_standardised"] == 1
        assert not {name for name in found[-1].ops if "batch_norm" in name}
        # Channels last from the first convolution to the last; nothing is laid out anew on the way.
        assert {"first", "neither"}.isdisjoint(" ".join(found[-1].layouts).split())
        assert found[-1].ops["clone"] == 0


class AtOnce:
    """In place of threads, in which there would be no FakeTensors."""

    def __init__(self, *args):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *args):
        pass

    def submit(self, function, *args):
        return SimpleNamespace(result=lambda: function(*args), cancel=lambda: None)


@pytest.mark.parametrize(("family", "precision"), [*((each, "bfloat16") for each in FAMILIES), ("bit", "float32")])
def test_an_evaluation_converts_weights_once_and_gives_nothing_but_classes_to_the_host(family, precision, monkeypatch):
    run = a_run(precision=precision)
    model = network_of(family, run)
    batches, here = [], context(precision)
    with fake_card(monkeypatch), contextlib.ExitStack() as stack:
        on_card(model)
        stack.enter_context(evaluation.without_gradients(here))
        monkeypatch.setattr(evaluation, "AsyncReadback", NoReadback)
        monkeypatch.setattr(evaluation, "ThreadPoolExecutor", AtOnce)
        monkeypatch.setattr(evaluation, "check_inputs", lambda *args: None)

        def counted(part, size):
            with Operations() as operations:
                found = evaluation.classes(model, part, here, torch.contiguous_format, size)
            batches.append(operations)
            return found

        split = images(3 * EVALUATION_BATCH, SIDE, CLASSES)
        for _ in evaluation._computed(model, counted, split, run.recipe, here, "w", None):
            pass
    assert len(batches) == 3
    first, *later = batches
    assert not first.on_host
    assert {name.split()[1] for name in first.types} == {str(LOWER[precision])}
    for each in later:
        assert not {name for name in each.ops if "batch_norm" in name or "var_mean" in name}
        # What is left is the input, and what is normalised in float32.
        assert each.ops["_to_copy"] + each.ops["to"] == (1 if precision == "float32" else CONVERTED[family])


CONVERTED = {"vit": 4, "hybrid": 14, "bit": 17, "convnext": 39}
"""Activations that a batch converts to the precision of products; no weights, which the first batch has converted."""
