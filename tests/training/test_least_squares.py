"""Few-shot linear evaluation: scikit-learn's ridge regression, the same features in both frameworks, one whole run."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import dataset
from harness.catalog.recipes import resolve
from harness.core.errors import ClaimsError
from harness.core.run import Run
from harness.core.specs import Recipe
from harness.data.splits import Split
from harness.models.initialise import initial_arrays
from harness.runs.run import measure
from harness.runs.store import Store
from harness.training.api import Execution, backend
from harness.training.jax import engine as jax_engine
from harness.training.jax import evaluation as jax_evaluation
from harness.training.jax.device import device_context as jax_context
from harness.training.kept import Kept
from harness.training.least_squares import BIAS, fit, standardised
from harness.training.torch import engine as torch_engine
from harness.training.torch import evaluation as torch_evaluation
from harness.training.torch.device import device_context
from harness.training.torch.network import head_of, network
from tests.training.tiny import NETWORKS, VIT, data_of, weights_of
from tests.training.tiny import run as fine_tuning

FAMILIES = list(NETWORKS)


def run(name="micro-vit-s", framework="torch", shots=5, seed=3, on="digits", **changed):
    how = Recipe("r", 16, 32, steps=0, method="least squares", **{"shots": shots, "l2": 8.0} | changed)
    return Run(checkpoint(name), dataset(on), how, seed, framework)


def features(a_run, weights=None, split=None):
    """Return the features of the scored part, or of another."""
    weights, split = weights or weights_of(a_run), split or data_of(a_run).test
    if a_run.backend == "jax":
        here = jax_context("cpu", a_run.recipe)
        params, architecture = jax_engine.network(a_run, weights)
        return jax_evaluation.features(here.put(params), architecture, split, a_run.recipe, here, "w")
    return torch_evaluation.features(
        network(a_run, weights), split, a_run.recipe, device_context("cpu", a_run.recipe), "w"
    )


def drawn(n, width, classes, seed=0):
    """Return features (n, width) on very different scales, labels (n,) and as many features to classify."""
    rng = np.random.default_rng(seed)
    scales = 10.0 ** rng.uniform(-2, 2, width)
    labels = np.arange(n) % classes
    centres = rng.normal(size=(classes, width))
    train, test = ((centres[labels] + rng.normal(size=(n, width))) * scales + 3 for _ in range(2))
    return train.astype(np.float32), labels, test.astype(np.float32)


@pytest.mark.parametrize("l2", [0.5, 1024.0])
@pytest.mark.parametrize(("n", "width"), [(12, 40), (200, 16), (17, 16)], ids=["wide", "tall", "square"])
def test_the_fit_is_ridge_regression_of_standardised_features_and_a_constant(n, width, l2):
    train, labels, test = drawn(n, width, 4)
    found = fit(train, labels, 4, l2)
    mean = train.mean(axis=0, dtype=np.float64)
    deviation = np.sqrt(((train - mean) ** 2).mean(axis=0)) + 1e-5
    x, to_classify = (np.c_[(each - mean) / deviation, np.full(n, 100.0)] for each in (train, test))
    ridge = Ridge(alpha=l2, fit_intercept=False, solver="svd").fit(x, 2.0 * np.eye(4)[labels] - 1)
    np.testing.assert_allclose(found.weights, ridge.coef_.T, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.scores(test), ridge.predict(to_classify), rtol=0, atol=1e-10)


def test_the_constant_is_hardly_regularised():
    """The mean score of the examples fitted is the mean target, as with a bias, where the other weights are small."""
    train, labels, _ = drawn(80, 8, 4)
    found = fit(train, labels, 4, 1024.0)
    bias = BIAS * found.weights[-1]
    np.testing.assert_allclose(bias, np.full(4, -0.5), rtol=2 * 1024 / (80 * BIAS**2))
    assert np.abs(found.weights[:-1]).max() < 0.1
    np.testing.assert_allclose(standardised(train, found.mean, found.deviation)[:, :-1].mean(axis=0), 0, atol=1e-10)


def test_one_example_of_a_class_and_a_feature_without_deviation_are_no_problem():
    train = np.array([[0, 1], [5, 1], [9, 1]], np.float32)
    found = fit(train, np.array([0, 1, 2]), 4, 1e-6)
    assert np.isfinite(found.scores(train)).all()
    assert found.scores(train)[0].argmax() == 0
    assert found.scores(train)[2].argmax() == 2
    assert (found.scores(train)[:, 3] < -0.99).all()  # the class without examples


@pytest.mark.parametrize("name", FAMILIES)
def test_features_are_what_the_checkpoints_own_head_is_given(name):
    a_run = run(name)
    model = network(a_run, weights_of(a_run)).eval()
    given = []
    head_of(model).register_forward_pre_hook(lambda _, args: given.append(args[0].flatten(1)))
    here, split = device_context("cpu", a_run.recipe), data_of(a_run).test
    (images, *_) = torch_evaluation.eval_inputs(split, a_run.recipe, range(0, len(split), 256), here)
    with torch.inference_mode():
        model(images.expand(-1, 3, -1, -1))
    found = features(a_run)
    assert found.shape == (797, given[0].shape[1])
    np.testing.assert_allclose(found[:256], given[0].numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_both_frameworks_have_the_same_features(name):
    ours, theirs = (features(run(name, framework)) for framework in ("jax", "torch"))
    assert ours.dtype == theirs.dtype == np.float32
    assert ours.std() > 0.01
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def test_pre_logits_are_part_of_the_features():
    architecture = dataclasses.replace(NETWORKS["micro-vit-s"], representation_size=24)
    arrays = initial_arrays(architecture, 1)
    ours, theirs = (features(run(framework=framework), arrays) for framework in ("jax", "torch"))
    assert ours.shape == (797, 24) != (797, VIT["width"])
    assert np.abs(ours).max() < 1  # after tanh
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_a_run_fits_the_drawn_examples_and_classifies_the_scored_ones(framework):
    a_run = run(framework=framework)
    data = data_of(a_run)
    assert np.bincount(data.train.labels).tolist() == [5] * 10
    told = []
    outcome = backend(framework)(a_run, weights_of(a_run), data, Execution(on_images=lambda *done: told.append(done)))
    assert (outcome.losses, outcome.diverged, outcome.predictions.shape) == ((), None, (797,))
    of_train = features(a_run, split=data.train)
    classifier = fit(of_train, data.train.labels, 10, 8.0)
    assert (classifier.scores(features(a_run)).argmax(axis=1) == outcome.predictions).all()
    assert outcome.images_per_second > 0
    assert told[-1] == (847, 847)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_frameworks_agree_and_seeds_draw_others():
    torchs, jaxs, other = (
        backend(each.backend)(each, weights_of(each), data_of(each), Execution()).predictions
        for each in (run(), run(framework="jax"), run(seed=4))
    )
    assert (torchs != jaxs).sum() <= 1  # a last bit may decide between two classes
    assert (torchs != other).sum() > 50


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_features_that_are_not_finite_are_one_line(framework):
    a_run = run(framework=framework)
    weights = weights_of(a_run)
    weights["embedding/bias"] = np.full_like(weights["embedding/bias"], 3e38)
    with pytest.raises(ClaimsError, match="expected finite features, found others for 50 of 50 images in float32"):
        backend(framework)(a_run, weights, data_of(a_run), Execution())


def test_a_run_on_a_micro_checkpoint_is_stored_and_looked_up(tmp_path):
    shipped, digits = checkpoint("micro-bit-l"), dataset("digits")
    a_run = Run(shipped, digits, resolve("fewshot-5", shipped, digits), 0)
    store = Store(tmp_path)
    result = measure(a_run, store)
    assert store.get(a_run) == result
    assert result.n == 797
    assert result.loss_history == ()
    few = dataclasses.replace(a_run, recipe=dataclasses.replace(a_run.recipe, shots=1))
    assert 40 < measure(few, store).accuracy < result.accuracy  # drawn weights tell digits apart better than chance


def test_runs_by_gradient_keep_their_head_rule():
    """The frozen network keeps the checkpoint's head of any number of classes; fine-tuning makes a new one."""
    assert network(run(on="count"), weights_of(run(on="count"))).head.weight.abs().sum() > 0
    trained = fine_tuning(framework="torch")
    assert network(trained, weights_of(trained)).head.weight.abs().sum() == 0


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_seeds_and_shots_share_the_features_of_the_scored_images(framework, monkeypatch):
    engine = jax_engine if framework == "jax" else torch_engine
    computed, compute = [], engine.features

    def counted(*given):
        split = next(each for each in given if isinstance(each, Split))
        computed.append(len(split))
        return compute(*given)

    monkeypatch.setattr(engine, "features", counted)
    monkeypatch.setattr("harness.training.least_squares._SCORED", Kept(lambda features: features.nbytes))
    asked = [run(framework=framework), run(framework=framework, seed=4), run(framework=framework, shots=2)]
    told, shared = [], []
    for each in asked:
        data, execution = data_of(each), Execution(on_images=lambda *done: told.append(done))
        shared.append(backend(framework)(each, weights_of(each), data, execution).predictions)
        assert told[-1] == (len(data.train) + 797,) * 2
    assert computed == [50, 797, 50, 20]
    for each, predictions in zip(asked, shared, strict=True):
        monkeypatch.setattr("harness.training.least_squares._SCORED", Kept(lambda features: features.nbytes))
        alone = backend(framework)(each, weights_of(each), data_of(each), Execution())
        assert (alone.predictions == predictions).all()


def test_features_of_other_weights_and_images_are_not_shared():
    a_run = run()
    weights, data = weights_of(a_run), data_of(a_run)
    torch_engine.fine_tune(a_run, weights, data, Execution())
    turned = dataclasses.replace(data, test=dataclasses.replace(data.test, images=data.test.images[:, ::-1].copy()))
    other = {key: array * 1.5 if key == "embedding/kernel" else array for key, array in weights.items()}
    found = [
        torch_engine.fine_tune(a_run, *given, Execution()).predictions
        for given in ((weights, data), (weights, turned), (other, data))
    ]
    assert (found[0] != found[1]).sum() > 50
    assert (found[0] != found[2]).sum() > 10
