"""Files of Hugging Face hub repos: huggingface_hub names, authorises and describes them.

The bytes come through the same download as any other address, because hf_hub_download (2.4) starts an
interrupted file over in the next process and does not hash what came; the hub's ETag is that hash.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from harness.fetch.environment import hint, unusable
from harness.fetch.retry import PASSING, Network, RetryableError, SourceFailure, retry_after, with_retries
from harness.fetch.server_metadata import Stated, digests_of_etag
from harness.fetch.sources import Hub


@dataclass(frozen=True)
class HubFile:
    """What a hub says of a file."""

    address: str
    """Of the file at that commit."""
    commit: str
    stated: Stated
    headers: dict[str, str]
    """With the user's token, if there is one."""


def endpoint() -> str | None:
    """Return the hub's address where $HF_ENDPOINT sets one; None: the public hub."""
    return os.environ.get("HF_ENDPOINT") or None


def describe(source: Hub, network: Network) -> HubFile:
    """Ask the hub which commit, length and digest a file has.

    Raises:
        SourceFailure: no such file, no access, or no answer.
    """
    return with_retries(lambda: ask(source, network), network)


def ask(source: Hub, network: Network) -> HubFile:
    """Send the request to the hub once."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import FileMetadataError, HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
    from huggingface_hub.errors import HTTPError as TransportError  # type: ignore[attr-defined]
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    def address_at(revision: str | None) -> str:
        kind, server = source.kind, endpoint()
        return hf_hub_url(source.repo, source.file, repo_type=kind, revision=revision, endpoint=server)

    try:
        found = get_hf_file_metadata(address_at(source.revision), timeout=network.read, endpoint=endpoint())
        if found.commit_hash is None:
            raise SourceFailure("expected a commit in the hub's answer, found none; is $HF_ENDPOINT a hub?")
        address = address_at(found.commit_hash)
    except OfflineModeIsEnabled:
        raise SourceFailure("huggingface_hub is offline; unset HF_HUB_OFFLINE") from None
    except (FileMetadataError, HFValidationError) as error:
        raise SourceFailure(" ".join(str(error).split())) from None
    except HfHubHTTPError as error:
        raise refusal(error, source) from None
    except TransportError as error:
        raise RetryableError(
            f"the hub did not answer: {' '.join(str(error).split()) or type(error).__name__}{hint()}"
        ) from None
    except SourceFailure:
        raise
    except Exception as error:  # what the library raises on settings has no common class, in no version
        raise unusable(error) from None
    stated = Stated(found.size, digests_of_etag(found.etag or ""))
    return HubFile(address, found.commit_hash, stated, build_hf_headers())


def refusal(error: Exception, source: Hub) -> Exception:
    """Return the error for a hub's refusal, in words that say what to do."""
    from huggingface_hub.errors import (
        DisabledRepoError,
        EntryNotFoundError,
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    response = error.response  # type: ignore[attr-defined]
    status = response.status_code
    if isinstance(error, GatedRepoError):
        return SourceFailure(
            f"{source.repo} is gated (status {status}); accept its terms on the hub, then log in (hf auth login) or"
            " set HF_TOKEN"
        )
    if isinstance(error, DisabledRepoError):
        return SourceFailure(f"{source.repo} was disabled by the hub; use another source")
    if isinstance(error, RevisionNotFoundError):
        return SourceFailure(f"{source.repo} has no revision {source.revision!r} (status {status})")
    if isinstance(error, EntryNotFoundError):
        return SourceFailure(f"{source.repo} has no file {source.file!r} (status {status})")
    if isinstance(error, RepositoryNotFoundError):
        return SourceFailure(
            f"{source.repo} does not exist or is private (status {status}); if it is private, log in (hf auth login)"
            " or set HF_TOKEN"
        )
    reason = f"the hub answered with status {status}"
    return RetryableError(reason, retry_after(response.headers)) if status in PASSING else SourceFailure(reason)


def in_hub_cache(source: Hub) -> Path | None:
    """Return the file in huggingface_hub's own cache folder, or None."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(source.repo, source.file, revision=source.revision, repo_type=source.kind)
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None
