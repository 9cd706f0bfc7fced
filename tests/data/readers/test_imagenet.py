"""ImageNet validation: every form on disk gives the same examples, or one line that says what is wrong."""

import os
import tarfile

import numpy as np
import pytest

from harness.core.errors import ClaimsError
from harness.data.pinned import is_numbered
from harness.data.readers.imagenet import Sizes, imagenet_validation
from tests.data import making

SIX = Sizes(images=6, classes=3)


def synset_folders(root):
    for name, content in making.validation("synset folders").items():
        making.put(root / name, content)


def flat_with_devkit(root):
    for name, content in making.validation("flat").items():
        making.put(root / "val" / name, content)
    making.devkit_folder(root)


def tar_with_packed_devkit(root):
    making.tar(root / "ILSVRC2012_img_val.tar", making.validation("flat"))
    files = {f"ILSVRC2012_devkit_t12/data/{name}": content for name, content in making.devkit_files().items()}
    making.tar(root / "ILSVRC2012_devkit_t12.tar.gz", files, "w:gz")


def hub_tar_gz(root):
    making.tar(root / "data" / "val_images.tar.gz", making.validation("synset in name"), "w:gz")


def course_zip(root):
    making.zipped(root / "val.zip", making.validation("synset folders"))


def zip_packed_on_a_mac(root):
    images = making.validation("synset folders")
    beside = {f"__MACOSX/{name.replace('ILSVRC', '._ILSVRC')}": b"attributes" for name in images}
    making.zipped(root / "val.zip", images | beside)


FORMS = [synset_folders, flat_with_devkit, tar_with_packed_devkit, hub_tar_gz, course_zip, zip_packed_on_a_mac]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_examples(form, tmp_path):
    form(tmp_path)
    examples = imagenet_validation(tmp_path, SIX)
    assert examples.labels.tolist() == making.LABELS
    assert examples.classes == making.SYNSETS
    for index in (5, 0, 3, 3):
        assert (examples.pixels(index) == making.pixels(index + 1)).all()


def test_the_content_digest_does_not_depend_on_the_form(tmp_path):
    digests = set()
    for form in FORMS:
        form(tmp_path / form.__name__)
        digests.add(imagenet_validation(tmp_path / form.__name__, SIX).content())
    assert len(digests) == 1


def test_reading_order_of_a_compressed_tar_is_that_of_its_members(tmp_path):
    hub_tar_gz(tmp_path)
    assert imagenet_validation(tmp_path, SIX).reading_order.tolist() == [3, 0, 5, 1, 4, 2]
    course_zip(tmp_path)
    assert imagenet_validation(tmp_path / "val.zip", SIX).reading_order.tolist() == [0, 1, 2, 3, 4, 5]


def test_chosen_examples_keep_their_reading_order(tmp_path):
    hub_tar_gz(tmp_path)
    chosen = imagenet_validation(tmp_path, SIX).take(np.array([4, 0, 3]))
    # Members lie as 4, 1, 6, 2, 5, 3 (numbers from 1), so example 3 comes first, then 0, then 4.
    assert chosen.reading_order.tolist() == [2, 1, 0]
    assert (chosen.pixels(0) == making.pixels(5)).all()
    assert chosen.labels.tolist() == [making.LABELS[i] for i in (4, 0, 3)]


def test_labels_come_through_the_devkits_own_numbers(tmp_path):
    flat_with_devkit(tmp_path)
    # Had the devkit's numbers been taken for the order of the synsets, image 1 would be class 1.
    assert imagenet_validation(tmp_path, SIX).labels[0] == 0
    assert making.TRUTH[0] - 1 == 1


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: None, "found none of them"),
        (lambda root: making.put(root / "val/n01440764/cat.jpg", making.png(1)), "found 'n01440764/cat.jpg'"),
        (
            lambda root: making.put(root / "val/n01440764/ILSVRC2012_val_00000001.JPEG", making.png(1)),
            "found 1 .1 different.; the first missing is number 2",
        ),
        (lambda root: making.put(root / "val.zip", b"PK no zip"), "expected a tar or zip archive"),
        (lambda root: making.put(root / "val_images.tar.gz", b"\x1f\x8b\x08 cut"), "expected a tar or zip archive"),
        (lambda root: making.tar(root / "val.tar", {"readme.txt": b"no images"}), "found none among 1 members"),
        (lambda root: making.tar(root / "val.tar", making.validation("flat")), "expected ILSVRC2012_devkit_t12"),
    ],
)
def test_what_is_wrong_is_one_line(spoil, message, tmp_path):
    spoil(tmp_path)
    with pytest.raises(ClaimsError, match=message) as caught:
        imagenet_validation(tmp_path, SIX)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"truth": (2, 1, 3, 1, 2)}, "expected 6 labels, found 5"),
        ({"truth": (2, 1, 3, 1, 2, 4)}, "line 6: expected a class number 1 to 3, found '4'"),
        ({"truth": (2, 1, 3, 1, 2, "x")}, "line 6: .* found 'x'"),
        (
            {"truth": (2, 1, 3, 1, 2, 2)},
            "expected 3 classes with 2 images each, found 3 classes, and 3 images of class 0",
        ),
        ({"ids": {1: "n02093754", 2: "n01440764"}}, "expected 3 leaf synsets numbered from 1, found 2"),
    ],
)
def test_a_devkit_that_does_not_fit_is_refused(changed, message, tmp_path):
    flat_with_devkit(tmp_path)
    making.devkit_folder(tmp_path, **changed)
    with pytest.raises(ClaimsError, match=message):
        imagenet_validation(tmp_path, SIX)


def test_a_damaged_devkit_table_is_one_line(tmp_path):
    flat_with_devkit(tmp_path)
    making.put(tmp_path / "ILSVRC2012_devkit_t12/data/meta.mat", b"no matrix file")
    with pytest.raises(ClaimsError, match="expected the table 'synsets'"):
        imagenet_validation(tmp_path, SIX)


def test_a_damaged_image_is_named(tmp_path):
    synset_folders(tmp_path)
    path = next(tmp_path.rglob("ILSVRC2012_val_00000002.JPEG"))
    path.write_bytes(path.read_bytes()[:60])
    examples = imagenet_validation(tmp_path, SIX)
    with pytest.raises(ClaimsError, match="ILSVRC2012_val_00000002: expected an image, found a damaged one"):
        examples.pixels(1)
    path.write_bytes(b"text")
    with pytest.raises(ClaimsError, match="found 4 bytes of something else"):
        examples.pixels(1)


def test_a_truncated_tar_is_refused(tmp_path):
    path = making.tar(tmp_path / "val.tar", making.validation("synset folders"))
    with tarfile.open(path) as archive:
        last = archive.getmembers()[-1]
    os.truncate(path, last.offset_data + last.size - 1)
    with pytest.raises(ClaimsError, match="expected a tar or zip archive, found: unexpected end of data"):
        imagenet_validation(path, SIX)


def test_a_truncated_compressed_tar_is_refused(tmp_path):
    path = making.tar(tmp_path / "val.tar.gz", making.validation("synset folders"), "w:gz")
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(ClaimsError, match="expected a tar or zip archive") as caught:
        imagenet_validation(path, SIX)
    assert "\n" not in str(caught.value)


def test_parquet_shards_give_the_same_examples(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    items = list(making.validation("flat").items())
    rows = [
        {"image": {"bytes": content, "path": name}, "label": making.LABELS[int(name[-10:-5]) - 1]}
        for name, content in items
    ]
    for shard in range(2):
        table = pyarrow.Table.from_pylist(rows[3 * shard : 3 * shard + 3])
        (tmp_path / "data").mkdir(exist_ok=True)
        parquet.write_table(table, tmp_path / "data" / f"validation-{shard:05d}-of-00002.parquet", row_group_size=2)
    examples = imagenet_validation(tmp_path, SIX)
    assert examples.labels.tolist() == making.LABELS
    assert all((examples.pixels(i) == making.pixels(i + 1)).all() for i in range(6))
    synset_folders(tmp_path / "folders")
    assert examples.content() == imagenet_validation(tmp_path / "folders", SIX).content()


def test_parquet_shards_without_numbers_are_read_by_row_and_say_so(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [
        {"image": {"bytes": making.png(number), "path": None}, "label": making.LABELS[number - 1]}
        for number in (4, 1, 6, 2, 5, 3)
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "validation-00000-of-00001.parquet")
    examples = imagenet_validation(tmp_path, SIX)
    assert examples.labels.tolist() == [row["label"] for row in rows]
    assert (examples.pixels(0) == making.pixels(4)).all()
    assert is_numbered(examples) == "false"
    synset_folders(tmp_path / "folders")
    assert is_numbered(imagenet_validation(tmp_path / "folders", SIX)) == "true"


def test_parquet_shards_with_names_for_labels_are_refused(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [{"image": {"bytes": making.png(number), "path": None}, "label": "tench"} for number in range(6)]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "validation-00000-of-00001.parquet")
    with pytest.raises(ClaimsError, match="expected class numbers in the column label, found string; use the shards"):
        imagenet_validation(tmp_path, SIX)


def test_damaged_parquet_or_no_pyarrow_is_one_line(tmp_path):
    making.put(tmp_path / "validation-00000-of-00001.parquet", b"no parquet")
    with pytest.raises(ClaimsError, match=r"expected pyarrow .*vit-claims\[data\]|expected a parquet shard") as caught:
        imagenet_validation(tmp_path, SIX)
    assert "\n" not in str(caught.value)
