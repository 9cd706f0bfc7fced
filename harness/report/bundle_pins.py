"""The pins in a bundle: which bytes stood for released weights and images where its runs were made.

A run's id names them, so a machine without the weights can look the run up only if it has the same pins.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from harness.core.config import settings
from harness.core.errors import ClaimsError
from harness.core.specs import build
from harness.data.paths import decoded_folder
from harness.data.pinned import pin as pin_dataset
from harness.data.pinned import pinned as pinned_parts
from harness.fetch.pins import Pin, Pins, fields
from harness.report.run_records import RunRecord

PINS_FILE = "pins.json"


def pins_of(runs: Iterable[RunRecord]) -> bytes:
    """Return pins.json: the pins of the checkpoints and datasets that runs used, as far as there are any here.

    A user's own files are not pinned, and micro checkpoints and tasks are known by their tables.

    Raises:
        ClaimsError: the pins of this machine are damaged.
    """
    used = list(runs)
    weights = {run.checkpoint_sha256 for run in used}
    checkpoints = {
        key: fields(pin) | {"elsewhere": ""}  # where the file lies is of no meaning on another machine
        for key, pin in sorted(Pins(settings().cache).all().items())
        if pin.sha256 in weights and not pin.own
    }
    names = sorted({run.dataset for run in used})
    datasets = {name: found for name in names if (found := pinned_parts(name, decoded_folder()))}
    return (json.dumps({"checkpoints": checkpoints, "datasets": datasets}, indent=1) + "\n").encode()


def take_pins(content: bytes, where: str) -> list[str]:
    """Pin what a bundle's runs used and is not pinned here yet; return what is pinned otherwise, a line each.

    Args:
        content: of its pins.json.
        where: the place that it comes from, for errors.

    Raises:
        ClaimsError: a pin is damaged, or can't be written.
    """
    values: Mapping[str, Mapping[str, Any]] = json.loads(content)
    others = []
    store = Pins(settings().cache)
    known = store.all()
    for key, value in values["checkpoints"].items():
        found = build(Pin, value, f"{where} [{key}]")
        if key not in known:
            store.put(key, found)
        elif known[key].sha256 != found.sha256:
            others.append(f"{key}: other weights are pinned here than the runs were made with, so they are not judged")
    for name, parts in values["datasets"].items():
        try:
            pin_dataset(name, parts, decoded_folder())
        except ClaimsError as error:
            others.append(str(error))
    return others
