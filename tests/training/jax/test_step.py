"""The compiled step as a GPU would get it: lowered for one without having one. Types, shapes, attention, programs."""

import logging
import re
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from harness.models.architectures import BitArchitecture, ViTArchitecture, expected_shapes
from harness.models.flax import attention, build
from harness.training.api import Execution
from harness.training.jax.device import device_context
from harness.training.jax.optimiser import Rule
from harness.training.jax.step import Examples, Layout, Program, begin, compiled, expected, needed
from tests.training.jax.test_memory import Accelerator, small
from tests.training.tiny import run

CLASSES, SIDE, DEPTH = 7, 32, 3
VIT = ViTArchitecture(width=64, depth=DEPTH, heads=2, mlp_size=96, patch=(8, 8), grid=(4, 4), classes=CLASSES)
BIT = BitArchitecture(stem_width=32, stages=((1, 128), (1, 256)), classes=CLASSES)
FUSED = "__cudnn$fmhaSoftmax"


def program(architecture, *, batch=8, size=8, dtype="bfloat16", attention="rounded"):
    network = build.network(architecture, dtype=dtype, attention=attention)
    return Program(network, Rule(0.9, "float32", 0.0, 1.0, None), Layout.of(batch, size, 1), False, False)


def arguments(architecture, made):
    """Return the shapes of a step's state, examples, rate and key."""
    shapes = {key: jax.ShapeDtypeStruct(shape, jnp.float32) for key, shape in expected_shapes(architecture).items()}
    params = build.unflatten_dict(shapes, sep="/")
    state = jax.eval_shape(lambda these: begin(these, made.rule), params)
    rows = made.layout.parts * made.layout.rows
    whole, one = jax.ShapeDtypeStruct((rows,), jnp.int32), jax.ShapeDtypeStruct((), jnp.float32)
    images = jax.ShapeDtypeStruct((rows, SIDE, SIDE, 3), jnp.float32)
    return state, Examples(images, whole, whole, one), one, jax.ShapeDtypeStruct((2,), jnp.uint32)


def lowered(architecture, made):
    """Return a step's program for a CUDA device as text."""
    here = device_context("cpu", run().recipe)
    traced = compiled(made, here.mesh).trace(*arguments(architecture, made))
    return traced.lower(lowering_platforms=("cuda",)).as_text()


def products(text):
    """Return how many matrix products and convolutions have operands of each type."""
    found = Counter()
    for line in text.splitlines():
        if re.search(r"stablehlo\.(dot_general|convolution)", line):
            types = line.rpartition(" : ")[2].partition("->")[0]
            found[" ".join(sorted(set(re.findall(r"x(f32|bf16|f64)>", types))))] += 1
    return found


@pytest.fixture
def cudnn(monkeypatch):
    """JAX takes cuDNN for installed: its attention can be traced and lowered, though not compiled."""
    kernels = pytest.importorskip("jax._src.cudnn.fused_attention_stablehlo")
    monkeypatch.setattr(kernels, "check_cudnn_version", lambda: 91000)
    attention.can_fuse.cache_clear()
    yield
    attention.can_fuse.cache_clear()


@pytest.mark.parametrize("architecture", [VIT, BIT], ids=["vit", "bit"])
@pytest.mark.parametrize("size", [8, 3], ids=["whole", "in parts"])
def test_a_step_gives_back_what_it_was_given(architecture, size):
    made = program(architecture, size=size)
    here = device_context("cpu", run().recipe)
    given = arguments(architecture, made)
    state, loss = jax.eval_shape(compiled(made, here.mesh), *given)
    described = [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(state)]
    assert described == [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(given[0])]
    assert {dtype for _, dtype in described} == {jnp.dtype("float32")}
    assert (loss.shape, loss.dtype) == ((), jnp.float32)


@pytest.mark.parametrize("architecture", [VIT, BIT], ids=["vit", "bit"])
def test_only_the_head_of_a_bfloat16_step_is_multiplied_in_float32(architecture):
    found = products(lowered(architecture, program(architecture)))
    assert found["f32"] == 3  # the head, and its two gradients
    assert found["bf16"] > 20
    assert set(found) == {"f32", "bf16"}
    exact = products(lowered(architecture, program(architecture, dtype="float32")))
    assert set(exact) == {"f32"}


@pytest.mark.usefixtures("cudnn")
def test_the_attention_of_a_bfloat16_step_is_one_kernel_and_no_product():
    plain, fused = (lowered(VIT, program(VIT, attention=way)) for way in ("rounded", "fused"))
    assert FUSED not in plain
    kernels = re.findall(r"@(__cudnn\$fmhaSoftmax\w*)", fused)
    assert Counter(kernels) == {FUSED: DEPTH, f"{FUSED}Backward": DEPTH}
    # Of each block two products and their four gradients.
    assert products(plain)["bf16"] - products(fused)["bf16"] == 6 * DEPTH


@pytest.mark.usefixtures("cudnn")
def test_attention_is_fused_where_jax_says_that_it_can_be():
    here = Accelerator((jax.devices("cpu")[0],))
    assert here.attention(VIT, "bfloat16") == "fused"
    assert here.attention(VIT, "float32") == here.attention(BIT, "bfloat16") == "flax"
    assert device_context("cpu", run().recipe).attention(VIT, "bfloat16") == "flax"
    assert attention.can_fuse(197, 16, 64)  # ViT-L/16 at 224 pixels: an odd number of tokens
    assert attention.can_fuse(577, 16, 64)
    assert not attention.can_fuse(197, 16, 60)  # no multiple of 8
    made = small(run(precision="bfloat16"), here=here)
    assert made.program(made._layout()).network.attention == "fused"


def test_without_cudnn_products_are_rounded_on_an_accelerator():
    assert Accelerator((jax.devices("cpu")[0],)).attention(VIT, "bfloat16") == "rounded"
    made = small(run(precision="bfloat16"))
    assert made.program(made._layout()).network.attention == "rounded"


def test_flaxs_attention_hides_products_in_float32_and_stays_what_a_cpu_computes():
    found = products(lowered(VIT, program(VIT, attention="flax")))
    assert found["f32"] == 3 + 3 * DEPTH
    assert build.network(VIT, dtype="bfloat16") == build.network(VIT, dtype="bfloat16", attention="flax")


def test_rounded_attention_is_flaxs_but_for_rounding():
    generator = np.random.default_rng(0)
    query, key, value = (jnp.asarray(generator.normal(size=(2, 17, 2, 16)), jnp.bfloat16) for _ in range(3))
    exact = attention.FUNCTIONS["flax"](*(each.astype(jnp.float32) for each in (query, key, value)))
    found = attention.rounded(query, key, value)
    assert found.dtype == jnp.bfloat16
    np.testing.assert_allclose(found.astype(jnp.float32), exact, rtol=0, atol=0.02)


@pytest.fixture
def steps_compiled(caplog):
    """Return how often a step was compiled so far."""
    caplog.set_level(logging.WARNING)
    with jax.log_compiles():
        yield lambda: sum(bool(re.match(r"Compiling (jit\()?step\b", each)) for each in caplog.messages)


def test_one_step_is_compiled_on_an_accelerator_and_the_state_stays_there(steps_compiled, monkeypatch):
    read = []
    monkeypatch.setattr(jax, "device_get", lambda tree: read.append(tree))
    done = small(run(steps=3, batch_size=11, warmup_steps=0)).train()
    assert len(done.losses) == 3
    assert steps_compiled() == 1
    assert read == []


def test_another_is_compiled_only_where_the_first_does_not_fit(steps_compiled):
    a_run = run(steps=3, batch_size=13, warmup_steps=0)
    whole = small(a_run)
    here = Accelerator((jax.devices("cpu")[0],))
    object.__setattr__(here, "free", 1 << 40)
    begun = small(a_run, here=here)
    takes = []

    def fits(step, batch):
        layout = begun._layout()
        takes.append(needed(begun.program(layout), here, *begun._arguments(step, batch, layout)))
        return takes[-1] < takes[0]

    begun._fits = fits
    done = begun.train()
    assert done.micro_batch == 7
    assert takes[1] < takes[0]
    assert steps_compiled() == 2
    np.testing.assert_allclose(done.losses, whole.train().losses, rtol=0, atol=1e-6)


def test_what_a_step_is_expected_to_take_grows_as_what_the_compiler_says():
    state = {}
    for size in (16, 32, 64):
        made = program(VIT, batch=size, size=size, dtype="float32")
        given = arguments(VIT, made)
        state[size] = (
            expected(made, given[0].params, SIDE, 3),
            needed(made, device_context("cpu", run().recipe), *given),
        )
    about, said = np.diff(np.array(list(state.values())), axis=0).T
    assert about[1] == pytest.approx(2 * about[0])
    assert 0.4 < about[1] / said[1] < 2.5
    assert Execution().micro_batch is None
