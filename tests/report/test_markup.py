import string
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.markup import Html, join, linked, safe, tag
from tests.report.samples import NASTY


class Reader(HTMLParser):
    """What a browser would see: the tags with their attributes, and the text."""

    def __init__(self, markup):
        super().__init__(convert_charrefs=True)
        self.tags, self.text = [], ""
        self.feed(markup)
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
    seen = Reader(tag("p", text))
    assert seen.tags == [("p", {})]
    assert seen.text == text


@given(TEXT)
def test_an_attribute_stays_an_attribute(text):
    seen = Reader(tag("p", "x", title=text, class_=text, data_column=text))
    assert seen.tags == [("p", {"title": text, "class": text, "data-column": text})]
    assert seen.text == "x"


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


def test_markup_is_not_escaped_twice_and_text_beside_it_is():
    assert join("<", tag("b", "&"), ">") == "&lt;<b>&amp;</b>&gt;"
    assert safe(Html("<br>")) == "<br>"


def test_joining_makes_markup_but_concatenating_makes_text():
    assert isinstance(join("a"), Html)
    assert safe(tag("b", "x") + NASTY).startswith("&lt;b&gt;")


def test_void_and_bare():
    assert tag("meta", name="viewport") == '<meta name="viewport">'
    assert tag("details", open=True, hidden=False) == "<details open></details>"


def test_a_lone_surrogate_can_still_be_written():
    assert tag("p", "a\udc80b").encode() == b"<p>a?b</p>"
