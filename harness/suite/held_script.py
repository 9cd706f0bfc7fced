"""Hold pytest-html's script back: it draws the table of tests before the page can be read."""

from __future__ import annotations

DATA = '<div id="data-container"'
"""Where pytest-html puts what its script draws; the script follows."""
RUN, HELD = "<script>", '<script type="text/plain" id="held-script">'
"""How pytest-html's script begins, and how it begins when it does not run by itself."""


def held(page: str) -> str:
    """Return pytest-html's page with its script as plain text, which `harness/report/html/report.js` runs.

    A page of another form is returned as it is: its table is drawn at once.

    Args:
        page: as pytest-html wrote it.
    """
    before, data, after = page.rpartition(DATA)
    if not data:
        return page
    return before + data + after.replace(RUN, HELD, 1)
