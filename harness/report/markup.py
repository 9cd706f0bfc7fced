"""HTML built so that text is always escaped: only what `tag` returns counts as markup."""

from __future__ import annotations

import html
import re


class Html(str):
    """Markup that is already safe; any other string is text."""

    __slots__ = ()


VOID = {"br", "col", "meta"}


def safe(content: str) -> Html:
    """Return text escaped for element content and quoted attributes; markup as it is."""
    # A lone surrogate (from an undecodable file name) cannot be written as UTF-8.
    clean = content.encode("utf-8", "replace").decode()
    return content if isinstance(content, Html) else Html(html.escape(clean))


def join(*parts: str) -> Html:
    """Return parts one after the other, text among them escaped."""
    return Html("".join(safe(part) for part in parts))


def tag(element: str, /, *children: str, **attributes: str | bool) -> Html:
    """Return an element; a trailing underscore of an attribute (class_) is dropped, True writes a bare one."""
    written = ""
    for key, value in attributes.items():
        key = key.rstrip("_").replace("_", "-")
        if value is True:
            written += f" {key}"
        elif value is not False:
            written += f' {key}="{safe(value)}"'
    if element in VOID:
        return Html(f"<{element}{written}>")
    return Html(f"<{element}{written}>{join(*children)}</{element}>")


LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:)\]]|arXiv:\d{4}\.\d{4,5}(?:v\d+)?")


def linked(text: str) -> Html:
    """Return text with its http(s) addresses and arXiv numbers as links; nothing else becomes one."""
    parts: list[str] = []
    end = 0
    for match in LINK.finditer(text):
        parts.append(text[end : match.start()])
        found = match[0]
        target = f"https://arxiv.org/abs/{found.removeprefix('arXiv:')}" if found.startswith("arXiv:") else found
        parts.append(tag("a", found, href=target, rel="noopener noreferrer"))
        end = match.end()
    return join(*parts, text[end:])
