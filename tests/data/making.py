"""Small synthetic copies of each dataset's form on disk."""

import gzip
import io
import json
import tarfile
import zipfile

import numpy as np
from PIL import Image
from scipy.io import savemat

SYNSETS = ("n01440764", "n01443537", "n02093754")
# The devkit's own numbers, which are not the order of the synsets: 1 -> n02093754, 2 -> n01440764, 3 -> n01443537.
DEVKIT_IDS = {1: "n02093754", 2: "n01440764", 3: "n01443537"}
# Validation images 1 ... 6 by devkit number, and what that is by sorted synset.
TRUTH = (2, 1, 3, 1, 2, 3)
LABELS = [0, 2, 1, 2, 0, 1]


def pixels(number, height=6, width=5):
    """An image that no other number has."""
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)


def png(number, height=6, width=5):
    """A losslessly encoded image: decoding gives `pixels(number)` back."""
    buffer = io.BytesIO()
    Image.fromarray(pixels(number, height, width)).save(buffer, "PNG")
    return buffer.getvalue()


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def tar(path, members, mode="w"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def zipped(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def devkit_files(ids=None, truth=TRUTH):
    """The devkit's two data files: leaves and one ancestor, as the real meta.mat has them."""
    rows = [(number, synset, 0) for number, synset in (ids or DEVKIT_IDS).items()] + [(1001, "n00001740", 2)]
    table = np.zeros(len(rows), dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")])
    for row, (number, synset, children) in zip(table, rows, strict=True):
        row["ILSVRC2012_ID"], row["WNID"], row["words"], row["num_children"] = number, synset, "a, b", children
    buffer = io.BytesIO()
    savemat(buffer, {"synsets": table})
    return {
        "ILSVRC2012_validation_ground_truth.txt": "".join(f"{number}\n" for number in truth).encode(),
        "meta.mat": buffer.getvalue(),
    }


def devkit_folder(root, **changed):
    for name, content in devkit_files(**changed).items():
        put(root / "ILSVRC2012_devkit_t12" / "data" / name, content)


def validation(form):
    """Names and bytes of the six validation images: 'flat', 'synset folders' or 'synset in name'."""
    found = {}
    # Not in the order of the numbers, as archives aren't.
    for number in (4, 1, 6, 2, 5, 3):
        synset = SYNSETS[LABELS[number - 1]]
        name = {
            "flat": f"ILSVRC2012_val_{number:08d}.JPEG",
            "synset folders": f"val/{synset}/ILSVRC2012_val_{number:08d}.JPEG",
            "synset in name": f"ILSVRC2012_val_{number:08d}_{synset}.JPEG",
        }[form]
        found[name] = png(number)
    return found


def cifar_records(labels, first, label_bytes=1):
    """Records of the binary version: label bytes (a coarse one first), then the colour planes."""
    rows = []
    for index, label in enumerate(labels):
        image = pixels(first + index, 32, 32)
        rows.append(bytes([7] * (label_bytes - 1) + [label]) + image.transpose(2, 0, 1).tobytes())
    return b"".join(rows)


def pets(root, train=((1, "Abyssinian"), (2, "american_bulldog")), test=((2, "american_bulldog"),)):
    base = root / "oxford-iiit-pet"
    for part, rows in (("trainval", train), ("test", test)):
        lines = []
        for index, (number, breed) in enumerate(rows):
            name = f"{breed}_{index + (100 if part == 'test' else 1)}"
            lines.append(f"{name} {number} 1 1")
            put(base / "images" / f"{name}.jpg", png(index))
        put(base / "annotations" / f"{part}.txt", "\n".join(lines) + "\n")
    return base


def flowers(root):
    base = root / "flowers-102"
    for name, variables in (
        ("imagelabels.mat", {"labels": np.array([[3, 1, 102, 1, 2, 3]], dtype=np.uint8)}),
        ("setid.mat", {"trnid": [[5, 1]], "valid": [[2, 6]], "tstid": [[3, 4]]}),
    ):
        buffer = io.BytesIO()
        savemat(buffer, variables)
        put(base / name, buffer.getvalue())
    for number in range(1, 7):
        put(base / "jpg" / f"image_{number:05d}.jpg", png(number))
    return base


def clevr(root):
    base = root / "clevr" / "CLEVR_v1.0"
    for part, depths in (("train", [(9.2, 8.4, 12.0), (7.9, 9, 9, 9)]), ("val", [(10.5,) * 10])):
        scenes = []
        for index, row in enumerate(depths):
            name = f"CLEVR_{part}_{index:06d}.png"
            put(base / "images" / part / name, png(index))
            scenes.append({"image_filename": name, "objects": [{"pixel_coords": [10, 20, depth]} for depth in row]})
        put(base / "scenes" / f"CLEVR_{part}_scenes.json", json.dumps({"scenes": scenes}))
    return base


def dsprites_image(number):
    """A binary image that no other number below 4,096 has."""
    image = np.zeros((64, 64), dtype=np.uint8)
    image[1:3, :12] = [number >> bit & 1 for bit in range(12)]
    image[5, 5] = 1
    image[10 : 10 + number % 50, : 1 + number // 50 % 60] = 1
    return image


def dsprites(folder, n=2000, name="dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"):
    """The published npz with n images, y position changing first; unpickling its metadata would be an error."""
    numbers = np.arange(n)
    latents = np.zeros((n, 6), dtype=np.int64)
    for column, count in ((5, 32), (4, 32), (3, 40), (2, 6), (1, 3)):
        latents[:, column] = numbers % count
        numbers = numbers // (2 if column > 3 else count)  # so that few images have all positions
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {
        "metadata": np.array({"never": Unpickled()}, dtype=object),
        "imgs": np.stack([dsprites_image(number) for number in range(n)]),
        "latents_classes": latents,
        "latents_values": latents.astype(np.float64),
    }
    np.savez_compressed(folder / name, **arrays)
    return latents


class Unpickled:
    """Raises when it is unpickled."""

    def __reduce__(self):
        return (exec, ("raise AssertionError('it was unpickled')",))


NORB = {"train": "smallnorb-5x46789x9x18x6x2x96x96-training", "test": "smallnorb-5x01235x9x18x6x2x96x96-testing"}


def norb_image(number, camera=0):
    """An image that no other number below 65,536 has, nor the other camera."""
    image = np.full((96, 96), (37 * number + 10 * camera) % 256, dtype=np.uint8)
    image[2, :2] = number % 256, number // 256
    return image


def norb_matrix(magic, shape, content):
    """The bytes of a matrix: magic number, dimensions, at least three sizes, values."""
    sizes = [*shape, *[1] * (3 - len(shape))]
    return np.array([magic, len(shape), *sizes], dtype="<i4").tobytes() + content


def smallnorb(folder, train=900, test=600, suffix=".mat.gz"):
    """The published files of SmallNORB with so many pairs; the info of each part: toy, elevation, azimuth, lighting."""
    found = {}
    for part, n in (("train", train), ("test", test)):
        numbers = np.arange(n) + (20_000 if part == "test" else 0)
        info = np.stack([numbers % 5, numbers * 7 % 9, numbers * 5 % 18 * 2, numbers % 6], axis=1).astype("<i4")
        pairs = b"".join(norb_image(i, camera).tobytes() for i in numbers for camera in (0, 1))
        contents = {
            "dat": norb_matrix(0x1E3D4C55, (n, 2, 96, 96), pairs),
            "cat": norb_matrix(0x1E3D4C54, (n,), (numbers % 5).astype("<i4").tobytes()),
            "info": norb_matrix(0x1E3D4C54, (n, 4), info.tobytes()),
        }
        for kind, content in contents.items():
            packed = gzip.compress(content, 1) if suffix.endswith(".gz") else content
            put(folder / f"{NORB[part]}-{kind}{suffix}", packed)
        found[part] = info
    return found
