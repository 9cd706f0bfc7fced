"""`python -m harness logits FILE --images X.npz`: logits of given images, to compare with any other implementation."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from harness.core.errors import ClaimsError
from harness.core.specs import Backend

if TYPE_CHECKING:
    from harness.models.architectures import Numerics

EPSILON = 1e-5
"""How far float32 arithmetic may carry a value out of [-1, 1]."""


def add_parser(commands: Any) -> None:
    """Add the command to the command line's subparsers."""
    parser = commands.add_parser(
        "logits",
        help="compute the logits of a weights file for given images",
        description="Compute the logits of a weights file for given images, to compare with another implementation.",
    )
    parser.add_argument(
        "file", metavar="FILE", help="an npz, safetensors or PyTorch file, an index of shards, or the shards' folder"
    )
    parser.add_argument(
        "--images",
        required=True,
        metavar="X.npz",
        help="input: the array `images`, float32 (N, height, width, 3) in [-1, 1]",
    )
    parser.add_argument(
        "--out", required=True, metavar="L.npz", help="output: the array `logits`, float32 (N, classes)"
    )
    parser.add_argument("--backend", default="torch", choices=get_args(Backend), help="default: %(default)s")
    parser.add_argument(
        "--resolution", type=int, metavar="N", help="interpolate the positional embedding to inputs of N x N pixels"
    )
    parser.add_argument(
        "--semantics",
        choices=("reference", "timm"),
        help="compute as the authors' code does (reference) or with timm's unchanged modules (timm); default: as the"
        " authors' code, with the activation and epsilon of a config.json beside the file",
    )
    parser.add_argument(
        "--timm", default="", metavar="NAME", help="timm's name for the model, for architectures that only timm defines"
    )
    parser.add_argument("--heads", type=int, metavar="N", help="attention heads, if the file does not state them")
    parser.add_argument("--weights", default="", metavar="NAME", help="which set of weights, if the file has several")


def run(options: argparse.Namespace) -> int:
    """Compute and write the logits."""
    from harness.models import load as loaders
    from harness.models import npz
    from harness.models.architectures import REFERENCE

    images = read_images(options.images)
    if options.resolution is not None and options.resolution < 1:
        raise ClaimsError(f"--resolution: expected pixels, found {options.resolution}")
    semantics: loaders.Semantics = "timm" if options.timm else options.semantics or "reference"
    if options.backend == "jax":
        loaders.require_reference(semantics, options.timm or options.file)
    held = loaders.read_file(options.file, options.weights)
    numerics = REFERENCE
    if options.timm:
        arrays = dict(held.arrays)
    else:
        arrays = loaders.official_of(held, heads=options.heads, where=options.file)
        require_size(arrays, images, options.resolution, options.file)
        if options.semantics is None and held.config:
            numerics = held.config.numerics()
    if options.backend == "jax":
        found = flax_logits(arrays, images, options.resolution, numerics, options.file)
    else:
        model = loaders.build(
            arrays,
            semantics=semantics,
            timm=options.timm,
            resolution=options.resolution,
            numerics=numerics,
            where=options.file,
        )
        found = torch_logits(model, images) if semantics == "reference" else loaders.logits(model, images)
    try:
        npz.write(options.out, {"logits": found})
    except OSError as error:
        raise ClaimsError(f"{options.out}: expected to write the logits, found: {error.strerror}") from None
    print(f"{options.out}: logits {found.shape[0]} x {found.shape[1]}, {semantics} semantics")
    return 0


def torch_logits(model: Any, images: Any) -> Any:
    """Return float32 logits (N, classes) of a network with the reference's semantics."""
    from harness.models import load as loaders
    from harness.models.torch import parity
    from harness.models.torch.folding import folded

    with folded(model, parity.standardised):
        return loaders.logits(model, images)


def flax_logits(arrays: Any, images: Any, resolution: int | None, numerics: Numerics, where: str) -> Any:
    """Return float32 logits (N, classes) that the JAX backend computes from weights under the authors' keys."""
    from harness.training.devices import jax_devices

    jax_devices()  # before the first array
    from harness.models import load as loaders
    from harness.models.flax import parity as flax_parity

    params, architecture = loaders.build_flax(arrays, resolution=resolution, numerics=numerics, where=where)
    return flax_parity.logits(params, architecture, images)


def read_images(path: str) -> Any:
    """Return the images of an npz file.

    Raises:
        ClaimsError: no array `images`, or one of another type, shape or range.
    """
    import numpy as np

    from harness.models.npz import DAMAGE, damage

    if not Path(path).is_file():
        raise ClaimsError(f"{path}: expected an npz file with the array `images`, found no such file")
    try:
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile) or "images" not in file.files:
                names = ", ".join(getattr(file, "files", [])) or "none"
                raise ClaimsError(f"{path}: expected the array `images`, found: {names}")
            images = file["images"]
    except (*DAMAGE, AttributeError, TypeError) as error:
        raise ClaimsError(f"{path}: expected a whole npz file without pickles, found: {damage(error)}") from None
    if images.dtype != np.float32:
        raise ClaimsError(f"{path}: images: expected float32 in [-1, 1], found {images.dtype}; (x - 127.5) / 127.5")
    if images.ndim != 4 or images.shape[3] != 3 or 0 in images.shape:
        raise ClaimsError(f"{path}: images: expected shape (N, height, width, 3), found {images.shape}")
    if not np.isfinite(images).all():
        raise ClaimsError(f"{path}: images: expected finite values, found NaN or infinite ones")
    low, high = float(images.min()), float(images.max())
    if low < -1 - EPSILON or high > 1 + EPSILON:
        raise ClaimsError(
            f"{path}: images: expected values in [-1, 1], found {low:g} to {high:g}; bytes become (x - 127.5) / 127.5"
        )
    if low >= 0:
        print(f"{path}: note: no value is below 0; the models were trained on [-1, 1], not on [0, 1]", file=sys.stderr)
    return images


def require_size(arrays: Any, images: Any, resolution: int | None, where: str) -> None:
    """Refuse images of another size than the model's positional embedding will fit; BiT takes any.

    Raises:
        ClaimsError: another size, or another number of channels.
    """
    from harness.models.architectures import ViTArchitecture
    from harness.models.npz_layout import describe

    found = describe(arrays, where)
    if found.channels != images.shape[3]:
        raise ClaimsError(f"{where}: expected images of {found.channels} channels, found {images.shape[3]}")
    height, width = images.shape[1:3]
    if isinstance(found, ViTArchitecture):
        fits = (resolution, resolution) if resolution else found.resolution
        if (height, width) != fits:
            hint = "" if resolution else f"; give --resolution {height} to interpolate the positional embedding"
            hint = hint if height == width else ""
            raise ClaimsError(f"{where}: expected images of {fits[0]}x{fits[1]} pixels, found {height}x{width}{hint}")
    elif resolution and (height, width) != (resolution, resolution):
        raise ClaimsError(f"{where}: expected images of {resolution}x{resolution} pixels, found {height}x{width}")
