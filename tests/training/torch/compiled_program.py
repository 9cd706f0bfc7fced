"""Trains a network of four blocks that are alike, compiled and not; test_compiled.py runs this file, twice.

Arguments: the folder of an execution. Prints JSON: what is said of the run, how far apart weights and losses are, the
blocks, the programs that were made of them, and how many were found among those of earlier processes.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

from torch._dynamo.utils import counters

from harness.models.architectures import ViTArchitecture
from harness.models.torch import build
from harness.training.api import Execution
from harness.training.torch.device import device_context
from harness.training.torch.fused.distance import distance
from harness.training.torch.loop import Loop
from tests.training import tiny

VIT = ViTArchitecture(width=16, depth=4, heads=2, mlp_size=24, patch=(8, 8), grid=(4, 4), classes=10)


def main(folder):
    run = tiny.run(framework="torch", steps=2, batch_size=5, precision="bfloat16")
    run = replace(run, recipe=replace(run.recipe, warmup_steps=0))
    done, weights = [], []
    for compiling in (True, False):
        model = build.create(VIT, 1)
        execution = Execution(compile=compiling, folder=folder)
        loop = Loop(model, tiny.data_of(run).train, run, execution, device_context("cpu", run.recipe))
        loop.saver.states = None
        done.append(loop.train())
        weights.append([each.detach() for each in model.parameters()])
    programs = counters["stats"]["unique_graphs"]
    print(
        json.dumps(
            {
                "kernels": [each.kernels for each in done],
                "apart": distance(*weights),
                "losses": [each.losses for each in done],
                "blocks": len(model.blocks),
                "programs": programs,
                "found": counters["aot_autograd"]["autograd_cache_hit"],
            }
        )
    )


main(Path(sys.argv[1]))
