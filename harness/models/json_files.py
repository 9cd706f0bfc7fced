"""Read JSON files that other programs wrote; a malformed one is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.core.errors import ClaimsError
from harness.core.text import read_text


def read_json(path: Path) -> Any:
    """Return a JSON file's content.

    Raises:
        ClaimsError: it can't be read, or is no JSON.
    """
    try:
        return json.loads(read_text(path))
    except OSError as error:
        raise ClaimsError(f"{path}: expected a JSON file, found: {error.strerror}; make it readable") from None
    except (ValueError, RecursionError) as error:  # of the encoding or of the JSON
        detail = " ".join(str(error).split())[:200]
        raise ClaimsError(f"{path}: expected JSON, found: {detail}; correct the file, or remove it") from None


def read_object(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Raises:
        ClaimsError: as `read_json`, or it holds something else.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise ClaimsError(f"{path}: expected a JSON object, found a {type(content).__name__}; correct the file")
    return content
