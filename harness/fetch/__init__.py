"""Fetching: every file that a run needs is downloaded once and always verified; archives are unpacked safely."""

from __future__ import annotations

from harness.core.config import settings
from harness.fetch.archives import unpack
from harness.fetch.cache import Verified, cache_size, entries, unneeded, verify
from harness.fetch.dry_run import Planned, plan, plan_all
from harness.fetch.fetcher import fetch
from harness.fetch.pins import Pin, Pins
from harness.fetch.retry import Network
from harness.fetch.sources import Hub, Local, Material, Source, Url, material_of_url

__all__ = [
    "Hub",
    "Local",
    "Material",
    "Network",
    "Pin",
    "Pins",
    "Planned",
    "Source",
    "Url",
    "Verified",
    "cache_size",
    "entries",
    "fetch",
    "material_of_url",
    "plan",
    "plan_all",
    "settings",
    "unneeded",
    "unpack",
    "verify",
]
