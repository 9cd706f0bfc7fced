"""Any folder of class folders."""

import pytest

from harness.data.imagefolder import image_folder
from harness.errors import ClaimsError
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
