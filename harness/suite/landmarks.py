"""Give pytest-html's page what it leaves out for screen readers: its language, and a main landmark."""

from __future__ import annotations

HTML, BODY, END = "<html>", "<body>", "</body>"


def with_landmarks(page: str) -> str:
    """Return pytest-html's page with its language, and with all that it shows within one `main`.

    A page of another form is returned as it is.

    Args:
        page: as pytest-html wrote it.
    """
    head, body, shown = page.partition(BODY)
    content, end, after = shown.rpartition(END)
    if not body or not end:
        return page
    return head.replace(HTML, '<html lang="en">', 1) + f"{BODY}<main>{content}</main>{END}{after}"
