"""Read and write npz weights files: no pickles, damage reported in one line, atomic and reproducible writes."""

from __future__ import annotations

import contextlib
import os
import uuid
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.core.errors import ClaimsError

Array = npt.NDArray[Any]

# What numpy and zipfile raise on bytes that are not a whole, plain npz file: a bad directory, a bad
# checksum, a header that does not parse, a pickle, an unknown compression, a claimed size beyond memory.
DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    SyntaxError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


def require_finite_floats(key: str, array: Array, where: str) -> None:
    """Raise ClaimsError unless `array` holds finite floating-point numbers."""
    if array.dtype.kind != "f":
        raise ClaimsError(f"{where}: {key}: expected floating-point weights, found dtype {array.dtype}")
    if not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise ClaimsError(f"{where}: {key}: expected finite weights, found {bad} of {array.size} NaN or infinite")


def read(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Read every array of an npz file; nothing in it is ever unpickled.

    Returns:
        Arrays by key, as stored (shapes and floating-point types unchanged; bfloat16 as float32).

    Raises:
        ClaimsError: the file is missing, truncated or not npz, or an array is pickled, not floating
            point or not finite; the line names the file and the key.
    """
    arrays = load(path)
    for key, array in arrays.items():
        require_finite_floats(key, array, str(path))
    return arrays


def load(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Read every array of an npz file as `read` does, with numbers of any type.

    Raises:
        ClaimsError: the file is missing, truncated, empty or not npz, or an array is pickled.
    """
    path = Path(path)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise ClaimsError(f"{path}: expected an npz file, found {found}; check the path")
    arrays: dict[str, Array] = {}
    key = ""
    try:
        opened = np.load(path, allow_pickle=False)
        if not isinstance(opened, np.lib.npyio.NpzFile):
            raise ClaimsError(f"{path}: expected an npz file, found a single array")
        with opened as npz:
            for key in npz.files:
                array = npz[key]
                if key in arrays or not isinstance(array, np.ndarray):
                    raise ClaimsError(f"{path}: {key}: expected one array of this name, found a copy or another file")
                arrays[key] = _float32(array) if is_bfloat16(array) else array
    except DAMAGE as error:
        place = f"{path}: {key}" if key else str(path)
        raise ClaimsError(
            f"{place}: expected a whole npz file without pickles; delete it, fetch again ({damage(error)})"
        ) from None
    if not arrays:
        raise ClaimsError(f"{path}: expected an npz file with weights, found an empty one")
    return arrays


def damage(error: BaseException) -> str:
    """Return what numpy or zipfile found wrong, without numpy's advice to load pickles."""
    detail = " ".join(str(error).split()) or type(error).__name__
    return "it holds pickled objects, which are never loaded" if "pickle" in detail.lower() else detail


def is_bfloat16(array: Array) -> bool:
    """Return whether an array holds bfloat16, which npz files keep as two bytes without a type."""
    return array.dtype.kind == "V" and array.dtype.itemsize == 2 and array.dtype.names is None


def _float32(array: Array) -> Array:
    """Return bfloat16 values as float32, whose upper half they are."""
    bits = np.ascontiguousarray(array).view("<u2").astype(np.uint32) << 16
    return bits.view(np.float32).reshape(array.shape)


def stored_dtypes(path: str | os.PathLike[str], keys: Collection[str]) -> set[str]:
    """Return the stored types of some arrays of an npz file, e.g. "float32" or "bfloat16", from their headers."""
    found = set()
    with zipfile.ZipFile(path) as archive:
        for key in keys:
            with archive.open(f"{key}.npy") as member:
                old = np.lib.format.read_magic(member) == (1, 0)
                header = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
                dtype = header(member)[2]
            found.add("bfloat16" if dtype.str[1:] == "V2" else str(dtype.newbyteorder("=")))
    return found


def write(path: str | os.PathLike[str], arrays: Mapping[str, Array]) -> None:
    """Write arrays as npz: the whole file or nothing, and the same bytes for the same arrays.

    Keys are sorted, time stamps fixed and nothing is compressed (a compressor's output depends on its
    version). The file is complete on disk before it takes its name.

    Raises:
        ClaimsError: there is no array, or one that `read` would refuse.
    """
    path = Path(path)
    if not arrays:
        raise ClaimsError(f"{path}: expected weights to write, found none")
    for key, array in arrays.items():
        require_finite_floats(key, array, str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with open(part, "xb") as file:
            _write_zip(file, arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # makes the new name itself durable
    finally:
        os.close(folder)


def _write_zip(file: Any, arrays: Mapping[str, Array]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for key in sorted(arrays):
            array = arrays[key]
            array = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
            entry = zipfile.ZipInfo(f"{key}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, wherever it is written
            entry.external_attr = 0o644 << 16
            with archive.open(entry, "w", force_zip64=array.nbytes > 1 << 30) as member:
                np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
