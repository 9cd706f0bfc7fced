"""Images and labels of one's own: npz files, parquet, functions of the paper's folder; counted, not typed in."""

import io

import numpy as np
import pytest
from PIL import Image

from harness.catalog.datasets import pinned_dataset
from harness.core.errors import ClaimsError
from harness.core.paper import using
from harness.data.registry import entries

X = np.arange(10 * 4 * 4, dtype=np.uint8).reshape(10, 4, 4)
Y = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
MODULE = """
import numpy as np

X = np.arange(160, dtype=np.uint8).reshape(10, 4, 4)
Y = np.arange(10) % 3

def pair(): return X, Y
def four(): return X, Y, X[:4], Y[:4]
def named(): return {"x": X, "y": Y, "x_test": X[:3], "y_test": Y[:3]}
def floats(): return X / 255, Y
def short(): return X, Y[:3]
def words(): return X, list("abcabcabca")
def three(): return X, Y, X
def raises(): raise OSError("gone")
"""


@pytest.fixture
def table(tmp_path):
    (tmp_path / "paper.toml").write_text("")
    (tmp_path / "my_data.py").write_text(MODULE)

    def write(**keys):
        lines = "\n".join(f'{key} = "{value}"' for key, value in keys.items())
        (tmp_path / "datasets.toml").write_text(f"[mine]\n{lines}\n")
        return tmp_path

    with using(tmp_path):
        yield write


def sizes():
    found = entries()["mine"]
    return found.classes, found.train, found.test


def test_an_npz_file(table):
    folder = table(reader="npz", path="mine.npz")
    np.savez(folder / "mine.npz", x=X, y=Y)
    assert sizes() == (3, 7, 3)  # one of each class is the test part
    spec = pinned_dataset("mine")
    assert (spec.classes, spec.train, spec.test) == (3, 7, 3)


def test_an_npz_file_with_a_test_part(table):
    folder = table(reader="npz", path="mine.npz")
    np.savez(folder / "mine.npz", x=X, y=Y, x_test=X[:4], y_test=Y[:4])
    assert sizes() == (3, 10, 4)


def test_parquet(table):
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    folder = table(reader="parquet", path="files")
    (folder / "files").mkdir()
    for name, chosen in (("train", slice(0, 7)), ("test", slice(7, 10))):
        rows = []
        for image in X[chosen]:
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "PNG")
            rows.append({"bytes": buffer.getvalue(), "path": "x.png"})
        content = pa.table({"image": rows, "label": Y[chosen].tolist()})
        pq.write_table(content, folder / "files" / f"{name}-0.parquet")
    assert sizes() == (3, 7, 3)
    assert len(pinned_dataset("mine").sha256) == 64


@pytest.mark.parametrize(("name", "expected"), [("pair", (3, 7, 3)), ("four", (3, 10, 4)), ("named", (3, 10, 3))])
def test_a_function_of_the_folder(table, name, expected):
    table(reader=f"my_data:{name}")
    assert sizes() == expected
    assert pinned_dataset("mine").test == expected[2]


def test_a_function_may_import_the_folders_modules_when_it_is_called(table):
    folder = table(reader="my_data:late")
    (folder / "my_data.py").write_text("def late():\n    import beside\n    return beside.X, beside.Y\n")
    (folder / "beside.py").write_text(MODULE)
    assert sizes() == (3, 7, 3)


def test_other_images_are_another_dataset(table):
    folder = table(reader="my_data:pair")
    first = pinned_dataset("mine").sha256
    (folder / "my_data.py").write_text(MODULE.replace("arange(160", "arange(1, 161"))
    assert pinned_dataset("mine").sha256 != first


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"reader": "my_data:floats"}, r"x: expected uint8 images of shape .*, found float64 \(10, 4, 4\)"),
        ({"reader": "my_data:short"}, r"expected as many images as labels \(3\), found 10"),
        ({"reader": "my_data:words"}, r"y: expected whole numbers from 0, shape \(N,\), found <U1"),
        ({"reader": "my_data:three"}, r"to return \(x, y\) or \(x, y, x_test, y_test\), found tuple"),
        ({"reader": "my_data:raises"}, "dataset mine: reader: my_data:raises: OSError: gone, at my_data.py:14"),
        ({"reader": "my_dat:raises"}, r"expected the module my_dat.py .* \(did you mean 'my_data'\?\)"),
        ({"reader": "npz", "path": "none.npz"}, "mine: expected it in .*none.npz, found no such folder or file"),
        ({"reader": "npz", "path": "paper.toml"}, "expected an npz file without pickles"),
    ],
)
def test_what_is_no_dataset_is_one_line(table, keys, said):
    table(**keys)
    with pytest.raises(ClaimsError, match=said) as found:
        entries()["mine"]
    assert "\n" not in str(found.value)


def test_a_dataset_without_a_path_says_how_many_it_has(table):
    table(reader="cifar10", title="x")
    with pytest.raises(ClaimsError, match="expected classes, train and test of a dataset without a path"):
        entries()


def test_an_unknown_reader_is_answered_with_the_nearest(table):
    table(reader="nzp", path="x")
    with pytest.raises(ClaimsError, match=r"unknown reader 'nzp' \(did you mean 'npz'\?\)"):
        entries()
