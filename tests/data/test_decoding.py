"""Image files to pixels, in every depth and however damaged."""

import contextlib
import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from harness.core.errors import ClaimsError
from harness.data.decoding import decode_image, image_digest, is_deep_grey
from harness.data.examples import from_files
from tests.data import making

LEVELS = np.array([[0, 255, 256, 0x1234, 0x7FFF, 0x8000, 0xFF00, 0xFFFF]], dtype=np.uint16)
HIGH_BYTES = [0x00, 0x00, 0x01, 0x12, 0x7F, 0x80, 0xFF, 0xFF]


def saved(image, form, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png16(levels, colour_type):
    """A 16-bit PNG written here: uint16 (H, W, channels)."""
    height, width = levels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def tiff16(levels, order="<", bits=16, photometric=1, form=1):
    """A single-strip grey TIFF written here."""
    content = levels if isinstance(levels, bytes) else levels.astype(f"{order}u{bits // 8}").tobytes()
    height, width = (1, 4) if isinstance(levels, bytes) else levels.shape
    entries = [(256, 3, width), (257, 3, height), (258, 3, bits), (259, 3, 1), (262, 3, photometric), (273, 4, 8)]
    entries += [(277, 3, 1), (278, 3, height), (279, 4, len(content)), (339, 3, form)]
    table = struct.pack(f"{order}H", len(entries))
    for tag, kind, value in entries:
        table += struct.pack(f"{order}HHI", tag, kind, 1)
        table += struct.pack(f"{order}HH", value, 0) if kind == 3 else struct.pack(f"{order}I", value)
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(f"{order}I", 8 + len(content)) + content + table + b"\0\0\0\0"


DEEP = {
    "png": png16(LEVELS[..., None], 0),
    "tiff, little-endian": tiff16(LEVELS, "<"),
    "tiff, big-endian": tiff16(LEVELS, ">"),
    "pgm": b"P5 8 1 65535\n" + LEVELS.astype(">u2").tobytes(),
}


@pytest.mark.parametrize("form", DEEP)
def test_sixteen_bit_grey_becomes_its_high_byte(form):
    image = decode_image(DEEP[form])
    assert image.dtype == np.uint8
    assert image.shape == (1, 8, 3)
    assert image[0].tolist() == [[level] * 3 for level in HIGH_BYTES]


def test_sixteen_bit_colour_and_alpha_become_the_high_byte_too():
    grey = decode_image(png16(np.dstack([LEVELS, np.full_like(LEVELS, 9)]), 4))
    assert grey[0].tolist() == [[level] * 3 for level in HIGH_BYTES]
    colour = decode_image(png16(np.dstack([LEVELS, LEVELS[:, ::-1], LEVELS]), 2))
    assert colour[0, :, 0].tolist() == HIGH_BYTES
    assert colour[0, :, 1].tolist() == HIGH_BYTES[::-1]


def test_twelve_bits_fill_the_levels():
    packed = bytes([0x00, 0x0F, 0xFF, 0x80, 0x01, 0x00])  # 0x000, 0xFFF, 0x800, 0x100
    assert decode_image(tiff16(packed, bits=12))[0, :, 0].tolist() == [0x00, 0xFF, 0x80, 0x10]


def test_where_zero_is_white_it_is_white():
    assert decode_image(tiff16(LEVELS, photometric=0))[0, :, 0].tolist() == [255 - level for level in HIGH_BYTES]


@pytest.mark.parametrize(
    "content",
    [
        saved(Image.fromarray(np.array([[0.0, 1.0]], dtype=np.float32)), "TIFF"),
        saved(Image.fromarray(np.array([[0, 70_000]], dtype=np.int32)), "TIFF"),
        tiff16(LEVELS, form=2),
    ],
    ids=["floating point", "32 bits", "signed"],
)
def test_levels_without_a_scale_are_refused(content):
    with pytest.raises(ValueError, match="expected 8 or 16 bits a channel, found .* levels, .*; convert the images$"):
        decode_image(content)


def test_modes_of_eight_bits_and_less():
    bits = Image.fromarray(np.array([[True, False]]))
    assert decode_image(saved(bits, "PNG"))[0].tolist() == [[255] * 3, [0] * 3]
    clear = Image.new("RGBA", (1, 1), (10, 20, 30, 0))
    assert decode_image(saved(clear, "PNG"))[0, 0].tolist() == [10, 20, 30]
    assert decode_image(saved(Image.new("LA", (1, 1), (77, 0)), "PNG"))[0, 0].tolist() == [77] * 3
    ink = Image.new("CMYK", (1, 1), (255, 0, 0, 0))  # all cyan
    assert decode_image(saved(ink, "TIFF"))[0, 0].tolist() == [0, 255, 255]
    jpeg = decode_image(saved(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "JPEG", quality=100))[0, 0]
    assert np.abs(jpeg.astype(int) - [0, 255, 255]).max() <= 3


def test_a_palette_with_transparency_gives_its_colours_and_no_warning():
    image = Image.new("P", (2, 1))
    image.putpalette([1, 2, 3, 4, 5, 6])
    image.putpixel((1, 0), 1)
    content = saved(image, "PNG", transparency=bytes([0, 128]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_image(content)[0].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_what_is_large_is_decoded_without_a_warning_and_a_bomb_is_refused(monkeypatch):
    content = saved(Image.new("L", (30, 10)), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_image(content).shape == (10, 30, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match="300 pixels. exceeds limit of 200 pixels.* Remove or reduce it$"):
        decode_image(content)


FORMS = {"PNG": {}, "JPEG": {}, "WEBP": {}, "AVIF": {}, "GIF": {}, "TIFF": {"compression": "tiff_lzw"}, "BMP": {}}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("damage", ["cut", "overwritten", "start only", "empty"])
def test_whatever_a_decoder_raises_is_one_line_that_names_the_file(form, damage, tmp_path):
    whole = saved(Image.fromarray(making.pixels(1, 64, 64)), form, **FORMS[form])
    content = {
        "cut": whole[: len(whole) // 2],
        "overwritten": whole[:60] + bytes(range(256)) * (len(whole) // 256)
        if form == "AVIF"
        else whole[: len(whole) // 3],
        "start only": whole[:12],
        "empty": b"",
    }[damage]
    making.put(tmp_path / "a" / "cat.img", content)
    examples = from_files(str(tmp_path), [tmp_path / "a" / "cat.img"], [0], ["a"], root=tmp_path)
    with pytest.raises(ClaimsError) as caught:
        examples.pixels(0)
    assert "a/cat.img: expected an image" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_every_prefix_and_every_flipped_byte_ends_in_pixels_or_one_kind_of_error():
    rng = np.random.default_rng(0)
    for form, options in FORMS.items():
        whole = saved(Image.fromarray(making.pixels(1, 16, 16)), form, **options)
        for cut in rng.integers(1, len(whole), 20):
            damaged = bytearray(whole)
            damaged[int(cut)] ^= 0xFF
            for content in (whole[:cut], bytes(damaged)):
                with contextlib.suppress(ValueError):
                    assert decode_image(content).dtype == np.uint8


def test_only_what_was_clipped_before_has_another_digest():
    assert all(is_deep_grey(content) for content in DEEP.values())
    others = [
        making.png(1),
        png16(np.dstack([LEVELS] * 3), 2),
        b"",
        b"II",
        b"P5 is a song",
        saved(Image.new("L", (1, 1)), "TIFF"),
    ]
    assert not any(is_deep_grey(content) for content in others)
    # The digest of an ordinary image's bytes, as released datasets are pinned by.
    assert image_digest(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert len({image_digest(content) for content in DEEP.values()}) == 4
