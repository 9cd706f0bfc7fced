"""The cache of decoded images: whole or not there, equal to decoding, and rebuilt when damaged."""

import os
import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import ClaimsError
from harness.data.pixel_cache import cached
from harness.data.preprocess import Resize, stored
from harness.data.readers.image_folder import image_folder
from harness.data.readers.imagenet import Sizes, imagenet_validation
from tests.data import making

SQUARE = Resize("square", 4)


def folder(root):
    """Two classes, three images of different sizes."""
    for number, name in enumerate(("cat/1.png", "cat/2.png", "dog/1.png")):
        making.put(root / name, making.png(number, height=6 + number))
    return image_folder(root)


def built(cache_folder):
    return sorted(path.name for path in cache_folder.iterdir() if path.name not in ("locks", "seen"))


def assert_images(cache, resize=None):
    assert cache.labels.tolist() == [0, 0, 1]
    for number in range(3):
        assert (cache.image(number) == stored(making.pixels(number, 6 + number), resize)).all()


@pytest.mark.parametrize("resize", [None, SQUARE, Resize("short side", 3)])
def test_the_second_run_reads_no_image_file(resize, tmp_path):
    examples = folder(tmp_path / "images")
    cache = cached(examples, tmp_path / "cache", resize)
    assert_images(cache, resize)
    assert cache.content == examples.content()
    for path in (tmp_path / "images").rglob("*.png"):
        path.unlink()
    assert_images(cached(examples, tmp_path / "cache", resize), resize)


def test_one_size_is_one_array_and_several_sizes_are_not(tmp_path):
    examples = folder(tmp_path / "images")
    array = cached(examples, tmp_path / "cache", SQUARE).array()
    assert array.shape == (3, 4, 4, 3)
    assert isinstance(array.base, np.memmap)
    assert (array[2] == stored(making.pixels(2, 8), SQUARE)).all()
    with pytest.raises(ClaimsError, match="expected images of one size, found 3 sizes"):
        cached(examples, tmp_path / "cache").array()


def test_images_can_not_be_written(tmp_path):
    cache = cached(folder(tmp_path / "images"), tmp_path / "cache", SQUARE)
    with pytest.raises(ValueError, match="read-only"):
        cache.image(0)[0, 0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        cache.array()[:] = 0


@pytest.mark.parametrize("resize", [None, SQUARE])
def test_the_same_images_in_another_form_share_a_cache(resize, tmp_path):
    six = Sizes(images=6, classes=3)
    for name, content in making.validation("synset folders").items():
        making.put(tmp_path / "a" / name, content)
    making.tar(tmp_path / "b" / "val_images.tar.gz", making.validation("synset in name"), "w:gz")
    first = cached(imagenet_validation(tmp_path / "a", six), tmp_path / "cache", resize)
    second = cached(imagenet_validation(tmp_path / "b", six), tmp_path / "cache", resize)
    assert first.path == second.path
    assert len(built(tmp_path / "cache")) == 1
    assert (first.array() == second.array()).all()


def test_images_in_an_archives_own_order_are_given_in_the_examples_order(tmp_path):
    making.tar(tmp_path / "val_images.tar.gz", making.validation("synset in name"), "w:gz")
    cache = cached(imagenet_validation(tmp_path, Sizes(6, 3)), tmp_path / "cache")
    assert cache.index[:, 0].tolist() != sorted(cache.index[:, 0])
    assert (cache.array() == np.stack([making.pixels(number) for number in range(1, 7)])).all()
    # Of one size by rule, each image is written where it belongs: no copy is needed.
    assert isinstance(
        cached(imagenet_validation(tmp_path, Sizes(6, 3)), tmp_path / "cache", SQUARE).array().base, np.memmap
    )


def test_another_rule_and_another_content_are_other_caches(tmp_path):
    examples = folder(tmp_path / "images")
    paths = {cached(examples, tmp_path / "cache", resize).path for resize in (None, SQUARE, Resize("square", 5))}
    making.put(tmp_path / "images/dog/1.png", making.png(2, height=9))
    changed = cached(image_folder(tmp_path / "images"), tmp_path / "cache")
    assert len(paths | {changed.path}) == 4
    assert (changed.image(2) == making.pixels(2, 9)).all()


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: flip(path / "pixels.u8"),
        lambda path: flip(path / "labels.npy"),
        lambda path: flip(path / "index.npy"),
        lambda path: os.truncate(path / "pixels.u8", 100),
        lambda path: os.truncate(path / "pixels.u8", 0),
        lambda path: os.truncate(path / "header.json", 20),
        lambda path: (path / "header.json").write_text("[]"),
        lambda path: (path / "index.npy").unlink(),
    ],
)
def test_a_damaged_cache_is_noticed_and_built_again(damage, tmp_path, capsys):
    examples = folder(tmp_path / "images")
    path = cached(examples, tmp_path / "cache", SQUARE).path
    damage(path)
    again = cached(examples, tmp_path / "cache", SQUARE)
    assert "it is built again" in capsys.readouterr().err
    assert_images(again, SQUARE)
    assert built(tmp_path / "cache") == [path.name]
    cached(examples, tmp_path / "cache", SQUARE)
    assert capsys.readouterr().err == ""


def test_damage_that_another_form_of_the_data_meets_is_mended(tmp_path):
    examples = folder(tmp_path / "images")
    path = cached(examples, tmp_path / "cache", SQUARE).path
    flip(path / "pixels.u8")
    elsewhere = folder(tmp_path / "copy")
    again = cached(elsewhere, tmp_path / "cache", SQUARE)
    assert again.path == path
    assert_images(again, SQUARE)


@pytest.mark.parametrize(("resize", "limit"), [(None, 100), (Resize("square", 20), 3000)])
def test_a_full_disk_is_one_line_and_leaves_nothing(resize, limit, tmp_path):
    examples = folder(tmp_path / "images")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file can grow beyond the limit: the write of an image is cut short there, and the next one fails.
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(ClaimsError, match="found: File too large; nothing was stored") as caught:
            cached(examples, tmp_path / "cache", resize)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert built(tmp_path / "cache") == []
    assert_images(cached(examples, tmp_path / "cache", resize), resize)


def test_too_little_disk_is_said_before_anything_is_decoded(tmp_path):
    seen = []
    with pytest.raises(ClaimsError, match="bytes of free disk for the decoded images"):
        cached(folder(tmp_path / "images"), tmp_path / "cache", Resize("square", 10**7), seen.append)
    assert seen == []


def test_a_damaged_image_leaves_nothing_half_written(tmp_path):
    examples = folder(tmp_path / "images")
    making.put(tmp_path / "images/dog/1.png", b"no image")
    with pytest.raises(ClaimsError, match=r"dog/1.png: expected an image file, found 8 bytes"):
        cached(examples, tmp_path / "cache")
    assert built(tmp_path / "cache") == []


KILLED = """
import os, signal, sys
from pathlib import Path
from harness.data.pixel_cache import cached
from harness.data.readers.image_folder import image_folder
root = Path(sys.argv[1])
cached(image_folder(root / "images"), root / "cache", None, lambda done: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_a_killed_build_leaves_no_cache_and_is_cleared_away_by_the_next(tmp_path):
    examples = folder(tmp_path / "images")
    code = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=Path(__file__).parents[2]).returncode
    assert code == -signal.SIGKILL
    assert [name.startswith(".building-") for name in built(tmp_path / "cache")] == [True]
    cache = cached(examples, tmp_path / "cache")
    assert_images(cache)
    assert built(tmp_path / "cache") == [cache.path.name]


def test_several_at_once_build_one_cache(tmp_path):
    examples = folder(tmp_path / "images")
    decoded = []
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: cached(examples, tmp_path / "cache", SQUARE, decoded.append).path, range(4)))
    assert len(set(found)) == 1
    assert decoded == [1, 2, 3]
