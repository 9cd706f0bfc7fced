"""JAX: what is timed against each other computes the same."""

import pytest

from bench import cases, loops


@pytest.mark.slow
def test_both_loops_train_the_same():
    from harness.training.devices import start_jax

    start_jax()
    from bench import jax_loops

    case = cases.micro("vit", 3).changed("micro", head="library", warmup_steps=1)
    ours = jax_loops.ours(case, skip=1)[0]
    bare = jax_loops.bare(case, jax_loops.batches(case), skip=1)
    assert ours.images == bare.images == 2 * case.run.recipe.batch_size
    assert bare.losses == pytest.approx(ours.losses, rel=1e-5)
    assert loops.bare(case).losses == pytest.approx(ours.losses, rel=1e-4)
