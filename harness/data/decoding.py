"""An image file's bytes to pixels, and what identifies them."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image

Pixels = npt.NDArray[np.uint8]
"""One image, uint8 (H, W, 3), RGB."""

DEEP = b"16 bits to 8 by the high byte\n"
"""Put before the bytes of a deep grey image when they are hashed: version 0.1 clipped its levels to white, and no
result of that may be taken for one of today's."""
BITS_PER_SAMPLE, PHOTOMETRIC = 258, 262
"""TIFF tags."""
WHITE_IS_ZERO = 0
QUIET = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
"""A filter of Pillow's warnings, which name no file: what matters of them is an error here, or wanted."""


def decode_image(content: bytes) -> Pixels:
    """Decode an image file (JPEG, PNG, ...) to uint8 (H, W, 3).

    The pixels are as stored: an EXIF orientation is not applied, as TensorFlow's decoder, which the
    authors used, does not apply it. Grey, palette and CMYK images become RGB. Transparency is dropped: the colour
    stored below it is what counts, as in TensorFlow's decoder asked for three channels. 16 bits become 8 by their high
    byte (level >> 8), as in TensorFlow (libpng's png_set_strip_16), OpenCV and Pillow's own 16-bit colour. Of an
    animation the first frame is taken.

    Raises:
        ValueError: no image, a damaged one, or one whose levels have no scale (32 bits, floating point); the message
            ends with what to do.
    """
    from PIL import Image, UnidentifiedImageError

    if not content:
        raise ValueError("expected an image file, found an empty one; restore the file")
    if warnings.filters[:1] != [QUIET]:  # not catch_warnings: images are decoded by several threads
        warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        with Image.open(io.BytesIO(content)) as image:
            return to_rgb(image)
    except UnidentifiedImageError:
        raise ValueError(
            f"expected an image file, found {len(content):,} bytes of something else; restore the file"
        ) from None
    except NoScale:
        raise
    except Image.DecompressionBombError as error:
        raise ValueError(f"expected an image of a usual size: {error} Remove or reduce it") from None
    except MemoryError:
        raise ValueError("expected an image that fits into memory, found a larger one; remove or reduce it") from None
    except Exception as error:  # decoders raise many errors on damaged bytes, depending on format and version
        reason = str(error) or type(error).__name__
        raise ValueError(f"expected an image, found a damaged one: {reason}; restore the file") from None


class NoScale(ValueError):
    """Pixel levels whose white level is not known."""


def to_rgb(image: Image.Image) -> Pixels:
    """Return an opened image's pixels, uint8 (H, W, 3).

    Raises:
        NoScale: 32 bits a channel, or floating point.
    """
    image.load()
    image.info.pop("transparency", None)  # dropped in any case; Pillow would warn of a palette's
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        grey = np.asarray(image).astype(np.int64)
        tags = getattr(image, "tag_v2", {})
        bits = tags.get(BITS_PER_SAMPLE, (16,))[0]  # 12 in some TIFFs
        level = (grey >> (bits - 8)).astype(np.uint8)
        if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
            level = 255 - level
        return np.repeat(level[:, :, None], 3, axis=2)
    if image.mode in ("I", "F"):
        kind = "floating-point levels" if image.mode == "F" else "signed or 32-bit levels"
        raise NoScale(f"expected 8 or 16 bits a channel, found {kind}, which have no known white; convert the images")
    return np.asarray(image.convert("RGB"))


def image_digest(content: bytes) -> bytes:
    """Return the sha256 that stands for an image file's bytes in a dataset's digest, 32 bytes."""
    return hashlib.sha256(DEEP + content if is_deep_grey(content) else content).digest()


def is_deep_grey(content: bytes) -> bool:
    """Return whether an image file has one channel of more than 8 bits; told by its header."""
    if content.startswith(b"\x89PNG"):
        return content[24:26] == b"\x10\x00"  # 16 bits, grey
    if not content.startswith((b"II", b"MM", b"P2", b"P5")):
        return False
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as image:
            return image.mode.startswith("I")
    except Exception:  # damaged: told when it is decoded
        return False
