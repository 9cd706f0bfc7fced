"""Any folder of class folders."""

import os

import pytest

from harness.core.errors import ClaimsError
from harness.data.readers.image_folder import IMAGES, image_folder
from tests.data import making


def test_classes_are_the_sorted_folders_and_other_files_are_passed_over(tmp_path):
    for name in ("zebra/b.PNG", "zebra/a.jpg", "ant/deep/c.png"):
        making.put(tmp_path / name, making.png(len(name)))
    for name in ("zebra/Thumbs.db", "readme.txt", ".git/x.png", "ant/.hidden.png"):
        making.put(tmp_path / name, b"x")
    examples = image_folder(tmp_path)
    assert examples.classes == ("ant", "zebra")
    assert examples.names == ("ant/deep/c.png", "zebra/a.jpg", "zebra/b.PNG")
    assert examples.labels.tolist() == [0, 1, 1]


def test_given_classes_keep_their_numbers(tmp_path):
    making.put(tmp_path / "a/1.png", making.png(1))
    making.put(tmp_path / "b/1.png", making.png(2))
    assert image_folder(tmp_path, classes=["b", "a"]).labels.tolist() == [1, 0]
    with pytest.raises(ClaimsError, match="expected the 2 class folders of the dataset, found 2; they differ in b, c"):
        image_folder(tmp_path, classes=["a", "c"])


@pytest.mark.parametrize(
    ("folder", "message"),
    [("nowhere", "found: No such file"), ("empty", "found no folder"), ("hollow", "hollow/cat: expected images")],
)
def test_what_is_no_such_folder_is_one_line(folder, message, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "hollow" / "cat").mkdir(parents=True)
    with pytest.raises(ClaimsError, match=message):
        image_folder(tmp_path / folder)


def test_a_grey_image_and_a_palette_become_colour(tmp_path):
    from PIL import Image

    (tmp_path / "a").mkdir()
    Image.new("L", (2, 3), 77).save(tmp_path / "a" / "1.png")
    Image.new("RGB", (2, 3), (1, 2, 3)).quantize(2).save(tmp_path / "a" / "2.png")
    examples = image_folder(tmp_path)
    assert (examples.pixels(0) == 77).all()
    assert examples.pixels(0).shape == (3, 2, 3)
    assert examples.pixels(1)[2, 1].tolist() == [1, 2, 3]


def test_links_are_followed_at_every_level(tmp_path):
    for name in ("cat/1.png", "cat/deep/2.png", "dog/3.png"):
        making.put(tmp_path / "real" / name, making.png(len(name)))
    linked = tmp_path / "linked"
    (linked / "cat").mkdir(parents=True)
    (linked / "cat" / "1.png").symlink_to(tmp_path / "real/cat/1.png")
    (linked / "cat" / "deep").symlink_to(tmp_path / "real/cat/deep")
    (linked / "dog").symlink_to("../real/dog")
    (tmp_path / "root").symlink_to("linked")
    expected = image_folder(tmp_path / "real")
    for root in (linked, tmp_path / "root"):
        found = image_folder(root)
        assert found.names == ("cat/1.png", "cat/deep/2.png", "dog/3.png")
        assert found.content() == expected.content()


def test_a_link_back_to_a_folder_above_ends(tmp_path):
    making.put(tmp_path / "a/1.png", making.png(1))
    (tmp_path / "a/up").symlink_to("..")
    (tmp_path / "a/self").symlink_to(".")
    making.put(tmp_path / "b/2.png", making.png(2))
    # Through `up` the other class' images are below this one, once; its own are not met again.
    assert image_folder(tmp_path).names == ("a/1.png", "a/up/b/2.png", "b/2.png")


@pytest.mark.parametrize("place", ["a/2.png", "a/more", "c"])
def test_a_link_to_nothing_is_one_line_wherever_it_is(place, tmp_path):
    making.put(tmp_path / "a/1.png", making.png(1))
    (tmp_path / place).symlink_to("/nowhere/at/all")
    with pytest.raises(
        ClaimsError, match=f"{place}: expected a f.*, found a link to /nowhere/at/all, which is not there"
    ):
        image_folder(tmp_path)


def test_a_folder_or_a_pipe_in_the_place_of_an_image_is_one_line(tmp_path):
    (tmp_path / "a/1.png").mkdir(parents=True)
    with pytest.raises(ClaimsError, match=r"a/1.png: expected an image file, found a folder; remove or rename it"):
        image_folder(tmp_path)
    (tmp_path / "a/1.png").rmdir()
    os.mkfifo(tmp_path / "a/1.png")
    with pytest.raises(ClaimsError, match=r"a/1.png: expected a file, found something else"):
        image_folder(tmp_path)


def test_what_pillow_reads_is_found_and_what_is_passed_over_is_said(tmp_path, capsys):
    for name in ("1.avif", "2.JFIF", "3.jp2", "4.heic", "5.HEIC", "6", "7.txt"):
        making.put(tmp_path / "cat" / name, b"x")
    examples = image_folder(tmp_path)
    assert examples.names == ("cat/1.avif", "cat/2.JFIF", "cat/3.jp2")
    said = f"{tmp_path}: passed over files whose ending is not an image's: 2 .heic, 1 .txt, 1 without an ending\n"
    assert capsys.readouterr().err == said
    assert image_folder(tmp_path).passed_over == "2 .heic, 1 .txt, 1 without an ending"
    assert capsys.readouterr().err == ""  # once a process
    making.put(tmp_path / "dog" / "8.heic", b"x")
    with pytest.raises(ClaimsError, match=r"dog: expected images of a class, found none \(passed over: 1 .heic\)"):
        image_folder(tmp_path)


def test_the_endings_are_those_of_the_installed_pillow():
    from PIL import Image

    Image.init()
    readable = {ending for ending, form in Image.registered_extensions().items() if form in Image.OPEN}
    assert readable >= IMAGES


def test_a_name_that_is_not_utf8_is_read_and_printed(tmp_path):
    name = os.fsdecode(b"caf\xe9\n.png")
    making.put(tmp_path / os.fsdecode(b"\xff") / name, making.png(1))
    examples = image_folder(tmp_path)
    assert (examples.pixels(0) == making.pixels(1)).all()
    making.put(tmp_path / os.fsdecode(b"\xff") / name, b"damaged")
    with pytest.raises(ClaimsError) as caught:
        image_folder(tmp_path).pixels(0)
    assert rf"{tmp_path}: \xff/caf\xe9 .png: expected an image file, found 7 bytes" in str(caught.value)
    assert str(caught.value).encode()
