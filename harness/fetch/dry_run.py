"""What a fetch would do: from where, how many bytes, what is already there. Nothing is downloaded or hashed."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from harness.fetch.environment import hint, unusable
from harness.fetch.http import one_line, refusal
from harness.fetch.hub import ask, endpoint, in_hub_cache
from harness.fetch.retry import Network, RetryableError, SourceFailure
from harness.fetch.server_metadata import statement
from harness.fetch.sources import Hub, Local, Material, Source

PUBLIC_HUB = "https://huggingface.co/"

ONCE = Network(connect=5.0, read=10.0, tries=1)
"""A plan asks each server once and does not wait long."""


@dataclass(frozen=True)
class Planned:
    """What fetching one material would do."""

    material: Material
    source: str
    """The cache, the first source that answers, or the first source where none was asked."""
    size: int | None
    """Bytes; None: unknown."""
    size_from: Literal["disk", "server", "table", "estimate", "unknown"]
    """Whose word the size is; "estimate": computed from what the file holds, true to a few percent."""
    present: bool
    """Whether the file is on this machine (its digest is checked when it is fetched)."""
    answered: bool | None
    """Whether the source answered; None: it was not asked."""
    note: str = ""
    """What is doubtful: unconfirmed names, sources that did not answer and why."""

    @property
    def to_download(self) -> int | None:
        """Bytes that would come over the network; None: unknown."""
        return 0 if self.present else self.size


def plan(
    material: Material,
    cache: Path,
    *,
    offline: bool = False,
    network: Network = ONCE,
    silent: dict[str, str] | None = None,
) -> Planned:
    """Return what fetching a material would do.

    Args:
        material: what would be fetched.
        cache: the cache folder.
        offline: ask no server; bytes are then the table's, or an estimate.
        network: limits of patience.
        silent: servers that did not answer so far and why, which are not asked again; gets new ones added.
    """
    path = material.path(cache)
    if path.exists():
        return Planned(material, "cache", path.stat().st_size, "disk", True, None)
    silent = {} if silent is None else silent
    notes: list[str] = []
    for source in material.sources:
        here = on_this_machine(source)
        if here is not None:
            return Planned(material, str(source), here.stat().st_size, "disk", True, None, "; ".join(notes))
        if offline or isinstance(source, Local):
            continue
        doubt = "" if source.confirmed else "unconfirmed name"
        try:
            size = size_at(source, network, silent)
        except SourceFailure as failure:
            notes.append(f"{source}: {doubt + ', ' if doubt else ''}{failure}")
            continue
        notes += [f"{source}: {doubt}"] if doubt else []
        found = Planned(material, str(source), size, "server", False, True, "; ".join(notes))
        return found if size is not None else with_table_size(found)
    first = next((s for s in material.sources if not isinstance(s, Local)), material.sources[0])
    asked = None if offline else False
    if offline and not first.confirmed:
        notes.append(f"{first}: unconfirmed name")
    return with_table_size(Planned(material, str(first), None, "unknown", False, asked, "; ".join(notes)))


def plan_all(materials: Sequence[Material], cache: Path, *, offline: bool = False) -> list[Planned]:
    """Return the plans of many materials, in order; servers are asked side by side, a silent one once."""
    silent: dict[str, str] = {}
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda material: plan(material, cache, offline=offline, silent=silent), materials))


def with_table_size(planned: Planned) -> Planned:
    """Return a plan whose size is the table's, else an estimate, else unknown."""
    of = planned.material
    if of.size is not None:
        return replace(planned, size=of.size, size_from="table")
    return replace(planned, size=of.estimate, size_from="unknown" if of.estimate is None else "estimate")


def on_this_machine(source: Source) -> Path | None:
    """Return the file of a source that needs no network, or None."""
    if isinstance(source, Local):
        return source.file if source.file.is_file() else None
    return in_hub_cache(source) if isinstance(source, Hub) else None


def size_at(source: Source, network: Network, silent: dict[str, str]) -> int | None:
    """Return the bytes that a server states, None if it states none.

    Raises:
        SourceFailure: it refuses or does not answer.
    """
    if isinstance(source, Local):
        raise SourceFailure("expected a file, found none")
    address = (endpoint() or PUBLIC_HUB) if isinstance(source, Hub) else source.address
    server = urlsplit(address).netloc
    if server in silent:
        raise SourceFailure(silent[server])
    try:
        return ask(source, network).stated.size if isinstance(source, Hub) else head(address, network)
    except RetryableError as failure:
        silent[server] = str(failure)
        raise SourceFailure(str(failure)) from None


def head(address: str, network: Network) -> int | None:
    """Return the bytes that the answer to a HEAD states.

    Raises:
        SourceFailure: the server refuses.
        RetryableError: it does not answer.
    """
    import requests

    try:
        timeout = (network.connect, network.read)
        answer = requests.head(address, allow_redirects=True, timeout=timeout, headers={"Accept-Encoding": "identity"})
    except requests.RequestException as error:
        raise RetryableError(f"did not answer: {one_line(error)}{hint()}") from None
    except (OSError, ValueError, ImportError) as error:
        raise unusable(error) from None
    if answer.status_code >= 400:
        raise refusal(answer)
    return statement(answer.headers).size
