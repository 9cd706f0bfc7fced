"""The Jinja2 templates of the page: text is always escaped, and an undefined variable is an error."""

from __future__ import annotations

import base64
import functools
import gzip
import re
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    from jinja2 import Environment, Template

LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:)\]]|arXiv:\d{4}\.\d{4,5}(?:v\d+)?")
LAYOUT = re.compile(r"(?<=[>}])\s*\n\s*")
"""A line break of a template, and the indentation after it, behind a tag."""


def render(template: str, **values: Any) -> Markup:
    """Return a template of `harness/report/templates` filled with values, text among them escaped.

    Raises:
        jinja2.UndefinedError: the template names a value that is not there.
    """
    return Markup(writable(template_of(template).render(values)))


@functools.cache
def template_of(name: str) -> Template:
    """Return a template by name; a table of tests fills some of them tens of thousands of times."""
    return environment().get_template(f"{name}.html.j2")


@functools.cache
def environment() -> Environment:
    """Return the environment of the page's templates."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from jinja2.ext import Extension

    class Compact(Extension):
        """Drops line breaks behind tags: 10,000 rows of indentation are megabytes, and show as gaps between words."""

        def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
            return LAYOUT.sub("", source)

    made = Environment(
        loader=PackageLoader("harness.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=[Compact],
    )
    made.filters["linked"] = linked
    made.filters["packed"] = packed
    return made


def linked(text: str) -> Markup:
    """Return text with its http(s) addresses and arXiv numbers as links; nothing else becomes one."""
    parts = Markup()
    end = 0
    for match in LINK.finditer(text):
        found = match[0]
        target = f"https://arxiv.org/abs/{found.removeprefix('arXiv:')}" if found.startswith("arXiv:") else found
        parts += text[end : match.start()]
        parts += Markup('<a href="{}" rel="noopener noreferrer">{}</a>').format(target, found)
        end = match.end()
    return parts + text[end:]


def packed(markup: Markup) -> str:
    """Return markup compressed (gzip, base64), for the page's script to unpack; the same markup gives the same text."""
    return base64.b64encode(gzip.compress(writable(markup).encode(), mtime=0)).decode()


def writable(text: str) -> str:
    """Return text that can be written as UTF-8: a lone surrogate (of an undecodable file name) becomes "?"."""
    return text.encode("utf-8", "replace").decode()
