"""JSON files that other programs wrote: with or without a byte-order mark, refused in one line when malformed."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

from harness.errors import ClaimsError

MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_json(path: Path) -> Any:
    """Return a JSON file's content, in UTF-8 or in what its byte-order mark says.

    Raises:
        ClaimsError: it can't be read, or is no JSON.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ClaimsError(f"{path}: expected a JSON file, found: {error.strerror}") from None
    encoding = next((name for mark, name in MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        return json.loads(content.decode(encoding))
    except (ValueError, RecursionError) as error:  # of the encoding or of the JSON
        detail = " ".join(str(error).split())[:200]
        raise ClaimsError(f"{path}: expected JSON, found a malformed file ({detail}); correct or delete it") from None
