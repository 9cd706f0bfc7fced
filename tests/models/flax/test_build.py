"""Flax models against PyTorch's and against the second implementation in tests/models/reference.py."""

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen as nn
from flax.traverse_util import flatten_dict

from harness.catalog.checkpoints import checkpoint
from harness.core.errors import ClaimsError
from harness.models import load as loaders
from harness.models import npz_layout
from harness.models.flax import build as flax_models
from harness.models.flax.bit import FlaxBiT
from harness.models.flax.vit import FlaxViT
from harness.models.npz_layout import BitArchitecture, HybridStem, ViTArchitecture
from harness.models.torch import build as models
from tests.models import reference
from tests.models.torch.test_build import ARCHITECTURES, FULL_SIZE, NEWER_NAMES, VIT, images, predict

LABELS = np.array([1, 3])
QUICK = {"xla_backend_optimization_level": 0}
"""Halves the time of compilation, which is most of the time of these tests."""


@pytest.fixture(autouse=True)
def one_processor():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with jax.default_device(jax.devices("cpu")[0]):
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def weights():
    return {name: reference.weights(architecture) for name, architecture in ARCHITECTURES.items()}


def tolerance(name):
    return 1e-5 if name.startswith("vit") else 2e-5


def pixels(architecture, n=2):
    return images(*getattr(architecture, "resolution", (32, 32)), n=n)


def loaded_logits(arrays, x, load={}, **options):  # noqa: B006
    params, architecture = flax_models.load(arrays, **load)
    return flax_models.logits(flax_models.network(architecture, **options), params, x)


def loss(model, params, x, key=None):
    """Cross-entropy in training mode, and the logits."""
    logits = flax_models.apply(model, params, x, train=True, dropout_rng=key)
    return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(len(x)), LABELS]), logits


def differentiate(model, params, x, key=None):
    """Logits, and gradients by key of the file with its axes."""
    gradient = jax.grad(lambda params: loss(model, params, x, key), has_aux=True)
    found, logits = jax.jit(gradient, compiler_options=QUICK)(params)
    return np.asarray(logits), {at: np.asarray(array) for at, array in flatten_dict(found, sep="/").items()}


@pytest.fixture(scope="module")
def exact(weights):
    """By architecture: logits and gradients of its network in float32, compiled once."""

    @functools.cache
    def compute(name):
        params, architecture = flax_models.load(weights[name])
        return differentiate(flax_models.network(architecture), params, pixels(architecture))

    return compute


def equations(jaxpr):
    """Every equation, those of inner programs included."""
    for equation in jaxpr.eqns:
        yield equation
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple | list) else (value,):
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    yield from equations(inner)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_logits_are_pytorchs_and_those_of_the_second_implementation(name, weights, exact):
    architecture, arrays = ARCHITECTURES[name], weights[name]
    x = pixels(architecture)
    expected = reference.logits(arrays, architecture, x)
    found, _ = exact(name)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() <= tolerance(name)
    assert np.abs(found - predict(models.load(arrays), x, torch.float32)).max() <= tolerance(name)
    assert expected.std() > 0.1


@pytest.mark.parametrize("name", ["vit-pre-logits", "hybrid-stem-only", "hybrid-3-stages", "bit"])
def test_in_float64_only_rounding_differs(name, weights):
    architecture, arrays = ARCHITECTURES[name], weights[name]
    x = pixels(architecture)
    with jax.enable_x64(True):
        params, _ = flax_models.load(arrays)
        model = (FlaxBiT if name == "bit" else FlaxViT)(architecture, dtype=jnp.float64)
        found = jax.jit(model.apply, compiler_options=QUICK)({"params": params}, x)
    # 1e-10 tells epsilons of 1e-6 and 1e-5 apart.
    np.testing.assert_allclose(found, reference.logits(arrays, architecture, x), rtol=0, atol=1e-10)


@pytest.mark.parametrize("size", [(33, 33), (31, 46)])
def test_bit_takes_any_input_size(size, weights):
    expected = reference.logits(weights["bit"], ARCHITECTURES["bit"], images(*size))
    assert np.abs(loaded_logits(weights["bit"], images(*size)) - expected).max() <= 2e-5


@pytest.mark.parametrize("name,resolution", [("vit", (40, 56)), ("vit", (44, 44)), ("hybrid-3-stages", (48, 48))])
def test_another_resolution_is_pytorchs(name, resolution, weights):
    x = images(*resolution)
    expected = predict(models.load(weights[name], resolution=resolution), x, torch.float32)
    assert np.abs(loaded_logits(weights[name], x, {"resolution": resolution}) - expected).max() <= tolerance(name)


def test_pixels_beyond_the_last_whole_patch_do_not_count(weights):
    x = images(36, 36)
    cut = loaded_logits(weights["vit"], np.ascontiguousarray(x[:, :32, :32]))
    assert np.array_equal(loaded_logits(weights["vit"], x, {"resolution": 36}), cut)


@pytest.mark.parametrize("name", ["vit", "hybrid-micro"])
def test_newer_key_names_give_the_same_parameters(name, weights):
    newer = {}
    for key, array in weights[name].items():
        for old, new in NEWER_NAMES.items():
            key = key.replace(old, new)
        newer[key] = array.reshape(-1) if "gn" in key else array
    assert newer.keys() != weights[name].keys()
    exported = flax_models.export(*flax_models.load(newer))
    assert all(np.array_equal(exported[key], array) for key, array in weights[name].items())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_parameter_tree_is_the_files_key_tree(name, weights):
    params, found = flax_models.load(weights[name])
    flat = flatten_dict(params, sep="/")
    assert found == ARCHITECTURES[name]
    assert {key: (array.shape, array.dtype) for key, array in flat.items()} == {
        key: (array.shape, np.float32) for key, array in weights[name].items()
    }
    exported = flax_models.export(params, found)
    assert exported.keys() == weights[name].keys()
    assert all(array.tobytes() == weights[name][key].tobytes() for key, array in exported.items())


@pytest.mark.parametrize("name", [*ARCHITECTURES, "vit_large_patch16_224", "vit_base_r50_s16_224", "resnetv2_50x1_bit"])
def test_a_network_reads_exactly_the_arrays_of_its_layout(name):
    architecture = (ARCHITECTURES | FULL_SIZE)[name]
    model = flax_models.network(architecture)
    x = jax.ShapeDtypeStruct((1, *getattr(architecture, "resolution", (64, 64)), 3), jnp.float32)
    declared = jax.eval_shape(model.init, jax.random.key(0), x)["params"]
    shapes = {key: array.shape for key, array in flatten_dict(declared, sep="/").items()}
    assert shapes == npz_layout.expected_shapes(architecture)


def test_parameters_and_exports_own_their_memory(weights):
    arrays = {key: array.copy() for key, array in weights["vit"].items()}
    params, architecture = flax_models.load(arrays)
    exported = flax_models.export(params, architecture)
    for array in (*arrays.values(), *exported.values()):
        array += 1
    again = flax_models.export(params, architecture)
    assert all(np.array_equal(again[key], array) for key, array in weights["vit"].items())


@pytest.mark.parametrize("name", ["vit-pre-logits", "hybrid-micro", "bit"])
def test_created_parameters_are_pytorchs(name):
    architecture = ARCHITECTURES[name]
    found = flax_models.export(flax_models.create(architecture, 3), architecture)
    expected = models.export(models.create(architecture, 3), architecture)
    assert all(np.array_equal(found[key], array) for key, array in expected.items())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_gradients_are_pytorchs(name, weights, exact):
    architecture = ARCHITECTURES[name]
    x = pixels(architecture)
    _, found = exact(name)
    model = models.load(weights[name]).train()
    logits = model(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
    torch.nn.functional.cross_entropy(logits, torch.from_numpy(LABELS)).backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.grad)
    expected = models.export(model, architecture)
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        norm = np.linalg.norm(array)
        if key.endswith("/key/bias"):  # softmax takes away what all keys have in common: nothing but rounding
            assert max(norm, np.linalg.norm(found[key])) < 1e-6
            continue
        assert norm > 0
        assert np.linalg.norm(found[key] - array) <= 1e-4 * norm, key


@pytest.mark.parametrize("name", ["vit-pre-logits-as-wide", "bit"])
def test_a_new_head_is_zero_and_trains(name, weights):
    params, architecture = flax_models.load(weights[name], classes=7)
    assert "pre_logits" not in params
    logits, found = differentiate(flax_models.network(architecture), params, pixels(architecture))
    assert np.array_equal(logits, np.zeros((2, 7)))
    moved = {key for key, array in found.items() if array.any()}
    assert moved == {key for key in found if "head/" in key}


@pytest.mark.parametrize("name", ["hybrid-stem-only", "hybrid-3-stages", "bit"])
def test_folding_standardises_once_and_for_all(name, weights, exact):
    params, architecture = flax_models.load(weights[name])
    x = pixels(architecture)
    folded = flax_models.fold(params, architecture)
    plain = flax_models.network(architecture, folded=True)
    found = flax_models.logits(plain, folded, x)
    assert np.abs(found - exact(name)[0]).max() < 5e-6
    # The folded network standardises nothing itself.
    assert np.abs(flax_models.logits(plain, params, x) - found).max() > 1e-3
    flat, before = (flatten_dict(tree, sep="/") for tree in (folded, params))
    changed = {key for key, array in flat.items() if not np.array_equal(array, before[key])}
    convolutions = {key for key, array in before.items() if array.ndim == 4 and "conv" in key and "kernel" in key}
    assert changed == convolutions - {"resnet/head/conv2d/kernel"}
    for key in changed:
        kernel = np.asarray(flat[key], np.float64)
        assert np.abs(kernel.mean((0, 1, 2))).max() < 1e-6
        assert np.abs(kernel.std((0, 1, 2)) - 1).max() < 0.03  # the epsilon is added to a deviation of 1e-3


def test_a_plain_vit_has_nothing_to_fold(weights):
    params, architecture = flax_models.load(weights["vit"])
    folded = flax_models.fold(params, architecture)
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, folded, params)))


# Where relu switches, bfloat16 gives other gradients: with PyTorch's autocast they differ by up to 0.67 for this BiT.
@pytest.mark.parametrize("name,share", [("vit-pre-logits", 0.05), ("hybrid-micro", 0.5), ("bit", 0.5)])
def test_bfloat16_is_close_and_gradients_stay_float32(name, share, weights, exact):
    params, architecture = flax_models.load(weights[name])
    model = flax_models.network(architecture, dtype="bfloat16")
    (logits, taken), (expected, gradients) = differentiate(model, params, pixels(architecture)), exact(name)
    assert logits.dtype == np.float32
    assert 1e-4 < np.abs(logits - expected).max() < 0.05
    assert {array.dtype for array in taken.values()} == {np.dtype(np.float32)}
    for key, array in gradients.items():
        if not key.endswith("/key/bias"):
            assert np.linalg.norm(taken[key] - array) < share * np.linalg.norm(array), key


@pytest.mark.parametrize("name", ["vit", "hybrid-micro", "bit"])
def test_nothing_of_float32_is_rounded_by_an_accelerator(name, weights):
    params, architecture = flax_models.load(weights[name])
    model, x = flax_models.network(architecture), pixels(architecture)
    program = jax.make_jaxpr(jax.grad(lambda params: loss(model, params, x)[0]))(params)
    found = [e for e in equations(program.jaxpr) if e.primitive.name in ("dot_general", "conv_general_dilated")]
    highest = (jax.lax.Precision.HIGHEST, jax.lax.Precision.HIGHEST)
    assert len(found) > 20
    assert {equation.params["precision"] for equation in found} == {highest}


@pytest.mark.parametrize("name,recomputed", [("vit", 2), ("hybrid-micro", 3), ("bit", 4)])
def test_rematerialisation_changes_no_gradient(name, recomputed, weights, exact):
    params, architecture = flax_models.load(weights[name])
    x = pixels(architecture)
    remat = flax_models.network(architecture, remat=True)
    _, found = differentiate(remat, params, x)
    for at, array in exact(name)[1].items():
        np.testing.assert_allclose(found[at], array, rtol=0, atol=1e-5 * np.abs(array).max() + 1e-7, err_msg=at)
    program = jax.make_jaxpr(lambda params: loss(remat, params, x))(params)
    assert [e.primitive.name for e in equations(program.jaxpr)].count("remat2") == recomputed


def test_rematerialisation_drops_out_the_same_features(weights):
    params, architecture = flax_models.load(weights["vit"])
    key = jax.random.key(0)
    networks = (flax_models.network(architecture, dropout=0.2, remat=remat) for remat in (False, True))
    one, same = (differentiate(network, params, pixels(architecture), key) for network in networks)
    np.testing.assert_allclose(same[0], one[0], rtol=0, atol=1e-5)
    for at, array in one[1].items():
        np.testing.assert_allclose(same[1][at], array, rtol=0, atol=1e-5 * np.abs(array).max() + 1e-7, err_msg=at)


def test_dropout_acts_where_the_authors_does_and_only_in_training(weights, exact):
    params, architecture = flax_models.load(weights["vit"])
    model, x = flax_models.network(architecture, dropout=0.3), pixels(architecture)
    seen = {}

    def record(call, arguments, options, context):
        if isinstance(context.module, nn.Dropout):
            seen["/".join(context.module.path)] = (context.module.rate, arguments[0].shape)
        return call(*arguments, **options)

    train = jax.jit(
        lambda key: flax_models.apply(model, params, x, train=True, dropout_rng=key), compiler_options=QUICK
    )
    keys = jax.random.split(jax.random.key(0))
    with nn.intercept_methods(record):
        first = train(keys[0])
    blocks = {}
    for index in range(2):
        block = f"Transformer/encoderblock_{index}"
        blocks |= {f"{block}/Dropout_0": (0.3, (2, 17, 64)), f"{block}/MlpBlock_3/Dropout_0": (0.3, (2, 17, 96))}
        blocks |= {f"{block}/MlpBlock_3/Dropout_1": (0.3, (2, 17, 64))}
    assert seen == blocks | {"Transformer/Dropout_0": (0.3, (2, 17, 64))}
    again, other = map(train, keys)
    assert np.array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3
    np.testing.assert_allclose(flax_models.logits(model, params, x), exact("vit")[0], rtol=0, atol=1e-5)


def test_a_last_partial_batch_is_computed_too(weights):
    x = images(32, 32, n=5)
    params, architecture = flax_models.load(weights["vit"])
    model = flax_models.network(architecture)
    found = flax_models.logits(model, params, x, batch=2)
    assert found.shape == (5, 5)
    np.testing.assert_allclose(found, reference.logits(weights["vit"], architecture, x), rtol=0, atol=1e-5)


def test_networks_are_values():
    one, same = (flax_models.network(ARCHITECTURES["bit"]) for _ in range(2))
    assert one == same
    assert hash(one) == hash(same)
    assert one != flax_models.network(ARCHITECTURES["bit"], folded=True)
    assert one == flax_models.network(ARCHITECTURES["bit"], dropout=0.1)  # there is nowhere to drop out


def refused(call, *arguments, **options):
    """The one line with which a call is refused."""
    with pytest.raises(ClaimsError) as error:
        call(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["vit", "hybrid-micro", "bit"])
def test_missing_and_left_over_keys_are_refused(name, weights):
    arrays = weights[name]
    key = next(key for key in reversed(arrays) if key.endswith("bias") or key.endswith("beta"))
    less = {other: array for other, array in arrays.items() if other != key}
    assert refused(flax_models.load, less, where="m.npz").endswith(f"1 missing; first: {key}")
    more = arrays | {"opt/step": np.zeros(1, np.float32)}
    assert refused(flax_models.load, more, where="m.npz").endswith("1 left over; first: opt/step")


def test_weights_and_parameters_of_another_architecture_are_refused(weights):
    message = refused(flax_models.load, weights["bit"], expected="vit", where="m.npz")
    assert message == "m.npz: expected the weights of family vit, found family bit"
    assert "multiple of 16x16" in refused(flax_models.load, weights["hybrid-3-stages"], resolution=40)
    params, _ = flax_models.load(weights["vit"])
    assert "pre_logits/bias" in refused(flax_models.export, params, ARCHITECTURES["vit-pre-logits"])
    message = refused(flax_models.export, params, ViTArchitecture(**VIT | {"patch": (4, 4)}))
    assert message == "embedding/kernel: expected shape (4, 4, 3, 64), found a parameter (8, 8, 3, 64)"


def test_options_that_no_network_has_are_refused():
    vit = ARCHITECTURES["vit"]
    assert refused(flax_models.network, vit, dtype="float16") == (
        "dtype: expected one of float32, bfloat16, found float16"
    )
    assert "expected a rate in [0, 1), found 1.0" in refused(flax_models.network, vit, dropout=1.0)


def test_a_checkpoint_with_timms_semantics_is_refused_by_name(weights):
    found = replace(checkpoint("vit-b16-in21k"), semantics="timm")
    message = refused(loaders.build_checkpoint_flax, found, weights["vit"])
    assert message.startswith(f"{found.id}: expected the reference's semantics")
    assert message.endswith("found timm; use the backend torch")


def test_a_checkpoint_loads_as_in_pytorch(weights):
    found = checkpoint("micro-hybrid-m")
    params, architecture = loaders.build_checkpoint_flax(found, weights["hybrid-micro"], classes=3, resolution=48)
    assert architecture == ViTArchitecture(
        **VIT | {"patch": (2, 2), "grid": (6, 6), "classes": 3}, stem=HybridStem(32, (1,))
    )
    assert params["head"]["kernel"].shape == (64, 3)


def test_a_small_network_of_one_channel_and_wide_pre_logits_runs():
    wide = ViTArchitecture(**VIT | {"depth": 1}, representation_size=200, channels=1)
    narrow = BitArchitecture(stem_width=32, stages=((1, 128),), classes=2, channels=1)
    for architecture in (wide, narrow):
        arrays = reference.weights(architecture)
        x = images(32, 32)[..., :1]
        assert np.abs(loaded_logits(arrays, x) - reference.logits(arrays, architecture, x)).max() <= 2e-5
