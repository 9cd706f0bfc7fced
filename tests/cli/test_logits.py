"""`python -m harness logits`: the second implementation's logits of given images; bad input in one line."""

import numpy as np
import pytest
import torch

from harness.core.errors import ClaimsError
from harness.models import load, npz, npz_layout
from harness.models.flax import build as flax_models
from harness.models.flax import parity as flax_parity
from harness.models.torch import build as models
from harness.models.torch import parity
from harness.models.torch.folding import folded
from tests.cli import command
from tests.models import reference
from tests.models.test_hub_config import saved
from tests.models.test_load import theirs
from tests.models.torch.test_build import ARCHITECTURES

pytestmark = pytest.mark.usefixtures("one_thread")


def images(height=32, width=32, n=3):
    return np.random.default_rng(2).uniform(-1, 1, (n, height, width, 3)).astype(np.float32)


def run(tmp_path, arrays, x, *more):
    npz.write(tmp_path / "w.npz", arrays)
    np.savez(tmp_path / "x.npz", images=x)
    out = tmp_path / "deep" / "l.npz"
    assert command("logits", tmp_path / "w.npz", "--images", tmp_path / "x.npz", "--out", out, *more) == 0
    with np.load(out) as file:
        assert file.files == ["logits"]
        return file["logits"]


@pytest.mark.parametrize("backend", ["torch", "jax"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_logits_are_those_of_the_second_implementation(name, backend, tmp_path):
    architecture = ARCHITECTURES[name]
    arrays = reference.weights(architecture)
    x = images(*getattr(architecture, "resolution", (32, 32)))
    found = run(tmp_path, arrays, x, "--backend", backend)
    expected = reference.logits(arrays, architecture, x)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < (1e-5 if name.startswith("vit") else 2e-5)


def test_bit_takes_rectangular_images(tmp_path):
    architecture = ARCHITECTURES["bit"]
    arrays = reference.weights(architecture)
    x = images(31, 46)
    assert np.abs(run(tmp_path, arrays, x) - reference.logits(arrays, architecture, x)).max() < 2e-5


def test_vit_runs_at_another_resolution_than_the_files(tmp_path):
    architecture = ARCHITECTURES["vit"]
    arrays = reference.weights(architecture)
    with pytest.raises(ClaimsError, match=r"expected images of 32x32 pixels, found 48x48; give --resolution 48"):
        run(tmp_path, arrays, images(48, 48))
    old = torch.from_numpy(arrays[npz_layout.POSITIONS][:, 1:].reshape(1, 4, 4, 64)).permute(0, 3, 1, 2).double()
    new = torch.nn.functional.interpolate(old, (6, 6), mode="bilinear", align_corners=True)
    grid = new.permute(0, 2, 3, 1).reshape(1, -1, 64).numpy()
    adapted = arrays | {npz_layout.POSITIONS: np.concatenate([arrays[npz_layout.POSITIONS][:, :1], grid], 1)}
    expected = reference.logits(adapted, architecture, images(48, 48))
    assert np.abs(run(tmp_path, arrays, images(48, 48), "--resolution", 48) - expected).max() < 1e-5
    with pytest.raises(ClaimsError, match="expected images of 48x48 pixels, found 32x32"):
        run(tmp_path, arrays, images(), "--resolution", 48)
    # Pixels beyond the last whole patch do not count.
    cut = run(tmp_path, arrays, np.ascontiguousarray(images(44, 44)[:, :40, :40]), "--resolution", 40)
    assert np.array_equal(run(tmp_path, arrays, images(44, 44), "--resolution", 44), cut)


def test_the_semantics_are_chosen(tmp_path):
    arrays = reference.weights(ARCHITECTURES["vit"])
    ours, timms = (run(tmp_path, arrays, images(), "--semantics", s) for s in ("reference", "timm"))
    assert 1e-5 < np.abs(ours - timms).max() < 1e-2


def test_jax_runs_at_another_resolution_and_on_rectangles_as_torch_does(tmp_path):
    vit, bit = (reference.weights(ARCHITECTURES[name]) for name in ("vit", "bit"))
    for arrays, x, more in ((vit, images(44, 44), ("--resolution", 44)), (bit, images(31, 46), ())):
        torchs, jaxs = (run(tmp_path, arrays, x, "--backend", backend, *more) for backend in ("torch", "jax"))
        assert not np.array_equal(torchs, jaxs)  # else one backend may have computed both
        assert np.abs(torchs - jaxs).max() < 2e-5


@pytest.mark.parametrize(
    "more,named", [(("--semantics", "timm"), "w.npz"), (("--timm", "convnext_atto"), "convnext_atto")]
)
def test_jax_refuses_timms_semantics_by_name(more, named, tmp_path):
    with pytest.raises(ClaimsError, match=rf"{named}: expected the reference's semantics.* use the backend torch$"):
        run(tmp_path, reference.weights(ARCHITECTURES["vit"]), images(), "--backend", "jax", *more)
    assert not (tmp_path / "deep").exists()


BAD = {
    "no such array": ({"pictures": images()}, r"expected the array `images`, found: pictures"),
    "bytes": ({"images": (images() * 127).astype(np.uint8)}, "expected float32 in"),
    "double": ({"images": images().astype(np.float64)}, "found float64"),
    "range": ({"images": images() * 127.5}, r"expected values in \[-1, 1\], found -127"),
    "channels first": ({"images": images().transpose(0, 3, 1, 2)}, "expected shape"),
    "one image": ({"images": images()[0]}, "expected shape"),
    "none": ({"images": images()[:0]}, "expected shape"),
    "not a number": ({"images": images() * np.float32("nan")}, "finite"),
    "pickle": ({"images": np.array([{}], dtype=object)}, "without pickles"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_images_are_refused_in_one_line_and_nothing_is_written(name, tmp_path):
    content, words = BAD[name]
    np.savez(tmp_path / "x.npz", **content)
    npz.write(tmp_path / "w.npz", reference.weights(ARCHITECTURES["vit"]))
    with pytest.raises(ClaimsError, match=words) as raised:
        command("logits", tmp_path / "w.npz", "--images", tmp_path / "x.npz", "--out", tmp_path / "l.npz")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "l.npz").exists()


def test_torn_files_and_bad_places_are_refused(tmp_path):
    npz.write(tmp_path / "w.npz", reference.weights(ARCHITECTURES["vit"]))
    np.savez(tmp_path / "x.npz", images=images())
    (tmp_path / "torn.npz").write_bytes((tmp_path / "x.npz").read_bytes()[:-50])
    (tmp_path / "file").write_text("")
    for x, out, words in (
        ("torn.npz", "l.npz", "whole npz file"),
        ("absent.npz", "l.npz", "no such file"),
        ("x.npz", "file/l.npz", "expected to write"),
    ):
        with pytest.raises(ClaimsError, match=words):
            command("logits", tmp_path / "w.npz", "--images", tmp_path / x, "--out", tmp_path / out)


def test_images_in_0_1_are_noted(tmp_path, capsys):
    run(tmp_path, reference.weights(ARCHITECTURES["vit"]), np.abs(images()))
    assert "no value is below 0" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["hybrid-3-stages", "bit"])
def test_logits_round_as_the_authors_code(name, tmp_path):
    architecture = ARCHITECTURES[name]
    arrays = reference.weights(architecture)
    x = images(*getattr(architecture, "resolution", (32, 32)))
    model = models.load(arrays)
    with folded(model, parity.standardised):
        assert np.array_equal(run(tmp_path, arrays, x), load.logits(model, x))
    params, _ = flax_models.load(arrays)
    assert np.array_equal(run(tmp_path, arrays, x, "--backend", "jax"), flax_parity.logits(params, architecture, x))


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_folder_of_transformers_gives_its_librarys_logits_unless_the_authors_numerics_are_asked_for(
    backend, tmp_path
):
    model, path = saved(tmp_path / "hub")
    np.savez(tmp_path / "x.npz", images=images())

    def logits(*more):
        words = ("logits", path.parent, "--images", tmp_path / "x.npz", "--out", tmp_path / "l.npz")
        assert command(*words, "--backend", backend, *more) == 0
        with np.load(tmp_path / "l.npz") as file:
            return file["logits"]

    expected = theirs(model, images()).logits.numpy()
    assert np.abs(logits() - expected).max() < 2e-5
    authors = logits("--semantics", "reference")
    assert np.abs(authors - expected).max() > 1e-4
    arrays = load.official(path)
    assert np.abs(authors - reference.logits(arrays, npz_layout.describe(arrays), images())).max() < 2e-5
    with pytest.raises(ClaimsError, match="expected 2 heads, as given, found 4 stated here"):
        logits("--heads", 2)


def test_numpys_advice_to_unpickle_is_not_shown(tmp_path):
    np.savez(tmp_path / "x.npz", images=np.array([{}], dtype=object))
    npz.write(tmp_path / "w.npz", reference.weights(ARCHITECTURES["vit"]))
    for file, images_file in ((tmp_path / "x.npz", tmp_path / "x.npz"), (tmp_path / "w.npz", tmp_path / "x.npz")):
        with pytest.raises(ClaimsError, match="pickled objects, which are never loaded") as caught:
            command("logits", file, "--images", images_file, "--out", tmp_path / "l.npz")
        assert "allow_pickle" not in str(caught.value)
