"""Download one address into a partial file: pooch streams; this module resumes, retries and limits the download.

pooch's HTTPDownloader asks and writes in chunks; a response hook looks at each answer's head before a byte
of its body is read: it decides between continuing and starting over, and checks length and free disk.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO

from harness.core.errors import ClaimsError
from harness.core.progress import width
from harness.fetch.environment import hint, set_variables, unusable
from harness.fetch.partial import Partial
from harness.fetch.retry import PASSING, Network, RetryableError, SourceFailure, retry_after, with_retries
from harness.fetch.server_metadata import Stated, number, statement

if TYPE_CHECKING:
    from requests import Response

CHUNK = 1 << 18
MARGIN = 64 << 20
"""Bytes of free disk that a download leaves."""


@dataclass(frozen=True)
class Request:
    """A request to a server, and what is known about the answer."""

    address: str
    name: str
    """The label of the progress bar."""
    headers: Mapping[str, str] = field(default_factory=dict)
    stated: Stated = field(default_factory=Stated)
    """What the server stated before (a hub's metadata)."""
    size: int | None = None
    """Bytes that the table expects."""
    sha256: str | None = None
    """Digest that the table or a pin expects."""


@dataclass(frozen=True)
class Arrived:
    """A whole download, not yet checked against digests."""

    stated: Stated
    resumed: bool
    """Whether some of the bytes came in an earlier answer."""


def download(request: Request, partial: Partial, network: Network, bar: bool | None = None) -> Arrived:
    """Download an address into a partial file, continuing an earlier download if that is safe.

    Args:
        request: what to ask.
        partial: where the bytes go; kept on failure, for the next time.
        network: limits of patience.
        bar: whether to show a progress bar; None: if stderr is a terminal.

    Raises:
        SourceFailure: the server can't give it.
        ClaimsError: this machine can't store it.
    """
    refuse(request, request.stated)
    return with_retries(lambda: attempt(request, partial, network, bar), network, lambda: partial.size)


def attempt(request: Request, partial: Partial, network: Network, bar: bool | None) -> Arrived:
    """Send the request once."""
    import pooch  # type: ignore[import-untyped]
    import requests
    import urllib3

    offset, before = resumable(request, partial)
    if before is not None and before.size == offset > 0:
        return Arrived(before, resumed=True)
    headers = {"Accept-Encoding": "identity", **request.headers}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if before is not None and before.validator:
            headers["If-Range"] = before.validator
    sink = Sink(request, partial, offset, before, bar)
    stream = pooch.HTTPDownloader(
        chunk_size=CHUNK, timeout=(network.connect, network.read), headers=headers, hooks={"response": sink.begin}
    )
    try:
        stream(request.address, sink, None)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise broken(error, partial, sink.stated, network) from None
    except (OSError, ValueError, ImportError) as error:
        raise unusable(error) from None
    finally:
        sink.close()
    if sink.stated.size is not None and partial.size != sink.stated.size:
        found = partial.size
        partial.discard()
        raise RetryableError(f"expected {sink.stated.size:,} bytes as the server states, found {found:,}")
    return Arrived(sink.stated, resumed=sink.resumed)


def resumable(request: Request, partial: Partial) -> tuple[int, Stated | None]:
    """Return how many bytes can be kept, with the headers that came with them; 0 and None if they were discarded.

    Bytes stay if they came from this address, fewer than the whole, and either the version can be named
    (If-Range) or a digest known beforehand will tell.
    """
    before = partial.stated(request.address)
    size = partial.size
    usable = before is not None and size > 0 and (before.size is None or size <= before.size)
    if usable and before is not None and (before.validator or request.sha256 or before.digests):
        return size, before
    partial.discard()
    return 0, None


class Sink:
    """What pooch writes to: opened once an answer's head has been accepted."""

    def __init__(self, request: Request, partial: Partial, offset: int, before: Stated | None, bar: bool | None):
        self.request, self.partial, self.offset, self.bar = request, partial, offset, bar
        self.before = before
        self.stated = Stated()
        self.resumed = False
        self.hops: dict[str, str] = {}
        self.file: BinaryIO | None = None
        self.progress: Any = None

    def begin(self, response: Response, **_: object) -> None:
        """Check the headers of an answer: a redirect, a refusal, a part, or the whole."""
        if response.is_redirect:
            if self.request.sha256 is None:
                follow(response)
            # A hub states digest and length of the file in the redirect to where it stores it.
            linked = ("X-Linked-ETag", "X-Linked-Size")
            self.hops |= {name: response.headers[name] for name in linked if name in response.headers}
        elif response.status_code == 206 and self.offset:
            self.resume(response)
        elif response.status_code == 200:
            self.start(response)
        elif response.status_code == 416 and self.offset:
            self.partial.discard()
            raise RetryableError("the server has no more bytes than came before, although the file is not whole")
        elif response.ok:
            raise SourceFailure(f"expected the file (status 200), found status {response.status_code}")
        else:
            raise refusal(response)

    def start(self, response: Response) -> None:
        """Accept an answer that holds the whole file."""
        length = response.headers.get("Content-Length")
        if length is not None and number(length) is None:
            raise SourceFailure(f"expected a number in Content-Length, found {length!r}; use another source")
        headers = response.headers.copy()
        headers.update(self.hops)
        stated = merged(statement(headers), self.request.stated)
        checkable = stated.delimited or stated.digests or self.request.size is not None or self.request.sha256
        if not checkable:
            raise SourceFailure(
                "expected a length or a digest to check the download against, the server states neither;"
                " give its digest with --sha256"
            )
        refuse(self.request, stated)
        room(self.partial, stated.size or self.request.size)
        self.partial.begin(self.request.address, stated)
        self.open(stated, 0)

    def resume(self, response: Response) -> None:
        """Accept an answer that continues what is there."""
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        before = self.before or Stated()
        total = None if found is None or found[3] == "*" else int(found[3])
        if found is None or int(found[1]) != self.offset or (total and before.size and total != before.size):
            self.partial.discard()
            raise RetryableError(
                f"expected the rest from byte {self.offset:,}, found {response.headers.get('Content-Range')!r}"
            )
        refuse(self.request, before)
        room(self.partial, None if before.size is None else before.size - self.offset)
        self.resumed = True
        self.open(replace(before, size=before.size or total), self.offset)

    def open(self, stated: Stated, offset: int) -> None:
        """Open file and progress bar."""
        from tqdm import tqdm

        self.stated = stated
        self.file = self.partial.open()
        silent = None if self.bar is None else not self.bar
        self.progress = tqdm(
            total=stated.size or self.request.size,
            initial=offset,
            desc=self.request.name,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            disable=silent,
            **width(),
        )

    def write(self, chunk: bytes) -> None:
        """Store a chunk.

        Raises:
            ClaimsError: this machine can't.
        """
        assert self.file is not None
        try:
            self.file.write(chunk)
            self.file.flush()
        except OSError as error:
            raise ClaimsError(
                f"{self.request.name}: expected to write to {self.partial.path}, found: {error.strerror} after"
                f" {self.partial.size:,} bytes (kept: the next fetch continues there); free some space or choose"
                " another --cache"
            ) from None
        self.progress.update(len(chunk))

    def flush(self) -> None:
        """Do nothing: each chunk is flushed as it is written, where a full disk can be told."""

    def close(self) -> None:
        """Close file and progress bar; what a full disk did not take is lost without a second message."""
        if self.progress is not None:
            self.progress.close()
        if self.file is not None:
            try:
                self.file.close()
            except OSError:
                self.partial.discard()


def refuse(request: Request, stated: Stated) -> None:
    """Raise where the server's own words already contradict what is expected, before a byte is read."""
    if request.size is not None and stated.size is not None and stated.size != request.size:
        raise SourceFailure(
            f"expected {request.size:,} bytes, the server states {stated.size:,}; nothing was downloaded"
        )
    digest = stated.digest("sha256")
    if request.sha256 and digest and digest != request.sha256:
        raise SourceFailure(
            f"expected sha256 {request.sha256}, the server states {digest}: it has another file now;"
            " nothing was downloaded"
        )


def merged(stated: Stated, before: Stated) -> Stated:
    """Return two statements as one; what the answer itself states wins except for the digests' union."""
    digests = dict(before.digests) | dict(stated.digests)
    return replace(stated, size=before.size if stated.size is None else stated.size, digests=tuple(digests.items()))


def follow(response: Response) -> None:
    """Raise for a redirect that leaves TLS."""
    target = response.headers.get("Location", "")
    if response.url.startswith("https:") and target.lower().startswith("http:"):
        raise SourceFailure(f"expected to stay on https, the server redirects to {target}; use another source")


def room(partial: Partial, size: int | None) -> None:
    """Raise unless `size` more bytes and a margin fit on the disk."""
    if size is None:
        return
    free = shutil.disk_usage(next(folder for folder in partial.path.parents if folder.exists())).free
    if free < size + MARGIN:
        raise ClaimsError(
            f"{partial.path.parent}: expected {size + MARGIN:,} bytes of free disk ({size:,} to download, {MARGIN:,} to"
            f" leave free), found {free:,}; free some space or choose another --cache"
        )


def refusal(response: Response) -> Exception:
    """Return the error for an answer of status 400 or more."""
    status = response.status_code
    reason = f"expected the file, found status {status} ({response.reason})"
    if status in PASSING:
        return RetryableError(reason, retry_after(response.headers))
    what = {
        401: "; log in (a hub token in $HF_TOKEN) or use another source",
        403: "; the server refuses this user: log in, or use another source",
        404: "; the file is not there: use another source",
    }
    return SourceFailure(reason + what.get(status, ""))


def broken(error: Exception, partial: Partial, stated: Stated, network: Network) -> Exception:
    """Return the error for a connection that failed or an answer that broke off."""
    import requests

    passing = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    if not isinstance(error, passing):
        return unusable(error) if set_variables() else SourceFailure(f"the request failed: {one_line(error)}")
    if isinstance(error, requests.ConnectTimeout):
        return RetryableError(f"no connection within {network.connect:g} s")
    if stated == Stated():
        silent = isinstance(error, requests.ReadTimeout)
        return RetryableError(
            f"no answer within {network.read:g} s" if silent else f"no connection: {one_line(error)}{hint()}"
        )
    here = f"{partial.size:,}" + (f" of {stated.size:,} bytes" if stated.size is not None else " bytes")
    if "timed out" in str(error).lower():
        return RetryableError(f"no byte came for {network.read:g} s after {here}")
    return RetryableError(f"the connection broke after {here}")


def one_line(error: Exception) -> str:
    """Return the innermost cause of a network error, on one line and not too long."""
    while inner := [each for each in error.args if isinstance(each, Exception)]:
        error = inner[0]
    reason = getattr(error, "reason", None)
    text = " ".join(str(reason if isinstance(reason, Exception) else error).split())
    text = re.sub(r"^<?[\w.]+(\(.*?\))?( object at 0x[0-9a-f]+)?>?: ", "", text)
    return text if len(text) <= 200 else f"{text[:197]}..."
