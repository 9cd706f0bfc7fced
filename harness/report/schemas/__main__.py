"""Write the schemas beside this module: `python -m harness.report.schemas`."""

from __future__ import annotations

from pathlib import Path

from harness.core.paths import write_atomic
from harness.report.schemas import FILES, text

for name in FILES:
    write_atomic(Path(__file__).with_name(f"{name}.schema.json"), text(name).encode())
