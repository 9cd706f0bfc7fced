"""What can be fetched: a material is one file with its possible sources, in order."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field
from pydantic.dataclasses import dataclass

from harness.core.errors import ClaimsError
from harness.core.specs import STRICT, Natural, Sha256, build
from harness.fetch.content import Holds

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+=@-]*$")]
"""One path component: no separator, never hidden, never "." or ".."."""

BUCKETS = "https://storage.googleapis.com/"
"""Where the objects of gs:// buckets are served over HTTPS (Google Cloud Storage, "Request endpoints")."""


@dataclass(frozen=True, config=STRICT)
class Url:
    """A plain download: https://, http:// or gs:// (read over HTTPS)."""

    url: Annotated[str, Field(pattern=r"^(https?|gs)://[^/\s]+/\S*$")]
    confirmed: bool = True
    """False: nobody has seen this name answer."""

    @property
    def address(self) -> str:
        """The address of the request."""
        return BUCKETS + self.url.removeprefix("gs://") if self.url.startswith("gs://") else self.url

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, config=STRICT)
class Hub:
    """A file in a Hugging Face hub repo (or of the hub-like server that $HF_ENDPOINT names)."""

    repo: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    file: Annotated[str, Field(pattern=r"^[^/\\\s][^\\\s]*$")]
    revision: str | None = None
    """A commit, branch or tag; None: the head of main."""
    kind: Literal["model", "dataset"] = "model"
    confirmed: bool = True

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return f"hub:{'datasets/' if self.kind == 'dataset' else ''}{self.repo}{revision}/{self.file}"


@dataclass(frozen=True, config=STRICT)
class Local:
    """A file on this machine, used in place. `~` is the user's folder."""

    path: str
    confirmed: bool = True
    owned: bool = False
    """Whether it is the user's own: looked at every time, and never an error for having changed."""

    @property
    def file(self) -> Path:
        """The absolute path."""
        return Path(self.path).expanduser().absolute()

    def __str__(self) -> str:
        return str(self.file)


Source = Url | Hub | Local


@dataclass(frozen=True, config=STRICT)
class Material:
    """One file that a run needs."""

    id: Name
    """The checkpoint's or dataset's id."""
    file_name: Name
    """Its name in the cache."""
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    """Where it can come from, the most trusted first."""
    sha256: Sha256 | None = None
    """Digest of the published bytes; None: pinned at the first fetch."""
    size: Natural | None = None
    """Bytes, where known."""
    estimate: Natural | None = None
    """Bytes that it takes about, for a plan; never checked."""
    holds: Holds = "anything"
    """What it must turn out to be before its digest is pinned."""

    @property
    def key(self) -> str:
        """Its name among the pins: "id/file_name"."""
        return f"{self.id}/{self.file_name}"

    def path(self, cache: Path) -> Path:
        """Return its path in a cache, whether or not it exists."""
        return cache / "files" / self.id / self.file_name


def is_url_key(key: str) -> bool:
    """Return whether a key, "id/file_name", has the form that `material_of_url` gives."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*-[0-9a-f]{12}/[^/]+", key) is not None


def material_of_url(url: str, sha256: str | None = None) -> Material:
    """Return the material of an address given by hand; its id is the host and a hash of the address.

    Raises:
        ClaimsError: no http(s):// or gs:// address of a file, or no digest in hexadecimal.
    """
    where = f"fetch {url}"
    source = build(Url, {"url": url}, where)
    parts = urlsplit(source.url)
    name = re.sub(r"[^A-Za-z0-9._+=@-]", "_", unquote(PurePosixPath(parts.path).name)).lstrip("._+=@-")
    if not name:
        raise ClaimsError(f"{where}: expected the address of a file, found no file name at its end; give all of it")
    host = re.sub(r"[^A-Za-z0-9.-]", "_", parts.hostname or "url").lstrip("._-") or "url"
    identifier = f"{host}-{hashlib.sha256(url.encode()).hexdigest()[:12]}"
    digest = sha256.lower() if sha256 else None
    return build(Material, {"id": identifier, "file_name": name, "sources": (source,), "sha256": digest}, where)
