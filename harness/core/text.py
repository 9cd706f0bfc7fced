"""Reading text files: UTF-8, with or without a byte-order mark, or UTF-16 with one."""

from __future__ import annotations

import codecs
from pathlib import Path

MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def text_of(content: bytes, errors: str = "strict") -> str:
    """Return the text of a file's bytes, a byte-order mark left out.

    Args:
        content: the whole file, or its first line.
        errors: what is done with bytes of another encoding, as in `bytes.decode`.

    Raises:
        UnicodeDecodeError: no such text (a ValueError).
    """
    encoding = next((name for mark, name in MARKS if content.startswith(mark)), "utf-8")
    return content.decode(encoding, errors)


def read_text(path: Path, errors: str = "strict") -> str:
    """Return a text file's content, a byte-order mark left out.

    Raises:
        OSError: it can't be read.
        UnicodeDecodeError: it is no such text (a ValueError).
    """
    return text_of(path.read_bytes(), errors)
