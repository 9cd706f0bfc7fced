"""Training on a GPU: the CPU's losses, and a run that was stopped or killed gives what an uninterrupted one gives."""

import signal

import numpy as np
import pytest

from harness.training.api import Execution
from tests.cuda import small

pytestmark = pytest.mark.cuda
WITHIN = {"float32": 2e-3, "bfloat16": 0.05}
"""Of the losses of ten steps, as a share of the largest: rounding grows from step to step."""


@pytest.mark.parametrize("precision", WITHIN)
@pytest.mark.parametrize("family", small.FAMILIES)
def test_ten_steps_give_the_cpus_losses(family, precision):
    expected, _ = small.trained(small.case(family))
    done, weights = small.trained(small.case(family, "cuda", precision=precision))
    small.assert_close(done.losses, expected.losses, WITHIN[precision])
    assert abs(expected.losses[-1] - expected.losses[0]) > 2 * WITHIN["float32"] * max(expected.losses)
    assert np.isfinite(weights).all()


@pytest.mark.parametrize("changed", [{"mixup": 0.2, "crop": "inception", "flip": True}, {"polyak": 0.9}])
def test_what_a_recipe_adds_gives_the_cpus_losses(changed):
    expected, there = small.trained(small.case("vit", **changed))
    done, here = small.trained(small.case("vit", "cuda", **changed))
    small.assert_close(done.losses, expected.losses, WITHIN["float32"])
    small.assert_close(here, there, 5e-3)


class Killed(Exception):
    """What ends a run in a step, as if its process were gone."""


def stop_at(step, kill):
    def on_step(progress):
        if progress.step == step and kill:
            raise Killed
        if progress.step == step:
            signal.raise_signal(signal.SIGTERM)

    return on_step


@pytest.mark.parametrize("kill", [True, False], ids=["killed", "stopped"])
@pytest.mark.parametrize("family", ["vit", "bit"])
def test_a_run_that_ended_early_goes_on_as_if_nothing_had_happened(family, kill, tmp_path):
    made = small.case(family, "cuda", precision="bfloat16", dropout=0.1 if family == "vit" else 0.0, steps=14)
    twice = [small.trained(made) for _ in range(2)]
    expected, weights = twice[0]
    from harness.training.resume import Interrupted, folder_of, saved

    early = Execution(folder=tmp_path, save_every=0 if kill else 600, on_step=stop_at(5, kill))
    with pytest.raises(Killed if kill else Interrupted):
        small.trained(made, early)
    assert saved(folder_of(tmp_path, made.run.id))
    seen = []
    done, found = small.trained(made, Execution(folder=tmp_path, on_step=lambda progress: seen.append(progress.step)))
    assert 1 <= seen[0] <= 12  # it did not begin anew
    assert len(done.losses) == 14
    if np.array_equal(weights, twice[1][1]) and expected.losses == twice[1][0].losses:
        assert np.array_equal(found, weights)
        assert done.losses == expected.losses
        return
    # Sums in another order: two uninterrupted runs differ, too, though by little.
    small.assert_close(done.losses, expected.losses, 0.02)
    small.assert_close(found, weights, 0.02)
