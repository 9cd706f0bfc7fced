import re
import string
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from markupsafe import Markup

from harness.report.html.rendering import environment, linked, render, writable
from harness.report.labels import Look
from tests.report.samples import NASTY


class Reader(HTMLParser):
    """What a browser would see: the tags with their attributes, and the text."""

    def __init__(self, markup):
        super().__init__(convert_charrefs=True)
        self.tags, self.text = [], ""
        self.feed(str(markup))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


# NUL and CR are rewritten by HTML parsers; lone surrogates cannot be written at all.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r")) | st.text(
    st.sampled_from("<>&\"'/=; ai" + string.ascii_letters[:4])
)


@given(TEXT)
def test_text_stays_text(text):
    seen = Reader(render("id_cell", nodeid=text))
    assert seen.tags == [("td", {"class": "col-testId"})]
    assert seen.text == text


@given(TEXT)
def test_an_attribute_stays_an_attribute(text):
    seen = Reader(render("verdict_cell", look=Look("word", "!", text, "#000", "o"), row=text))
    assert seen.tags == [("td", {"class": f"col-verdict {text}", "data-row": text})]
    assert seen.text == "! word"


@given(TEXT)
def test_a_cell_of_the_table_of_tests_stays_text(text):
    seen = Reader(render("text_cell", name="source", text=text))
    assert (seen.tags, seen.text) == ([("td", {"class": "col-source"})], text)


@given(TEXT)
def test_linked_text_reads_the_same_and_links_only_to_the_web(text):
    seen = Reader(linked(text + " https://example.org/a?b=1&c=2. " + text))
    assert seen.text == text + " https://example.org/a?b=1&c=2. " + text
    assert {name for name, _ in seen.tags} == {"a"}
    assert all(set(values) == {"href", "rel"} for _, values in seen.tags)
    assert all(values["href"].startswith(("http://", "https://")) for _, values in seen.tags)


@pytest.mark.parametrize(
    "text, links",
    [
        ("see https://example.org/x.", ["https://example.org/x"]),
        ("(https://example.org/a_b) and http://b.org", ["https://example.org/a_b", "http://b.org"]),
        ("arXiv:2010.11929v2, table 5", ["https://arxiv.org/abs/2010.11929v2"]),
        ("javascript:alert(1) data:text/html,x ftp://x.org", []),
        ('https://x.org/"onmouseover="alert(1)', ["https://x.org/"]),
        ("https://x.org/<b>", ["https://x.org/"]),
    ],
)
def test_only_web_addresses_and_arxiv_numbers_become_links(text, links):
    assert [values["href"] for _, values in Reader(linked(text)).tags] == links


def test_every_template_escapes_what_it_is_given():
    assert environment().autoescape is True
    names = environment().list_templates()
    assert len(names) >= 12
    for name in names:
        source = environment().loader.get_source(environment(), name)[0]
        assert not re.search(r"\bsafe\b|autoescape", source), name


def test_a_value_that_is_missing_is_an_error():
    with pytest.raises(UndefinedError, match="nodeid"):
        render("id_cell")


def test_markup_is_not_escaped_twice():
    assert render("id_cell", nodeid=Markup("<b>&amp;</b>")) == "<td class=col-testId><b>&amp;</b></td>"
    assert render("id_cell", nodeid=NASTY).count("<") == 2


def test_a_line_break_of_a_template_leaves_no_trace():
    shown = render("head_cell", name="result", head="Result", sortable=True)
    assert shown == (
        '<th class="sortable" scope="col" data-column-type="result">'
        '<button type="button" data-column-type="result">Result</button></th>'
    )


def test_a_lone_surrogate_can_still_be_written():
    assert render("id_cell", nodeid="a\udc80b").encode() == b"<td class=col-testId>a?b</td>"
    assert writable("a\udc80é") == "a?é"
