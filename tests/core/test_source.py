"""The text form of a source of evidence is read and written in one place."""

import pytest

from harness.core.errors import ClaimsError
from harness.core.source import Source


@pytest.mark.parametrize(
    "text, kind, detail, backend",
    [
        ("published", "published", "", "torch"),
        ("published/vit-paper/table-2", "published", "vit-paper/table-2", "torch"),
        ("published/someone@home", "published", "someone@home", "torch"),
        ("micro", "micro", "", "torch"),
        ("micro@jax", "micro", "", "jax"),
        ("gpu", "gpu", "", "torch"),
        ("gpu/paper@jax", "gpu", "paper", "jax"),
        ("gpu/short-500@both", "gpu", "short-500", "both"),
    ],
)
def test_a_source_is_read_and_written_back(text, kind, detail, backend):
    found = Source.parse(text)
    assert (found.kind, found.detail, found.backend) == (kind, detail, backend)
    assert str(found) == text
    assert found.measured == (kind != "published")


def test_pytorch_is_the_default_and_not_named():
    assert str(Source.parse("micro@torch")) == "micro"
    assert Source.parse("micro@torch") == Source.parse("micro") == Source("micro")


def test_a_source_can_be_asked_of_another_framework():
    assert str(Source("gpu", "paper").on("jax")) == "gpu/paper@jax"
    assert str(Source.parse("gpu/paper@both").base) == "gpu/paper"
    published = Source("published", "course")
    assert str(published.on("jax")) == "published/course"
    assert str(Source("published").on("both")) == "published"


@pytest.mark.parametrize("text", ["", "/paper", "@jax", "gpu/", "gpu/@jax", "micro@", "published/"])
def test_what_is_no_source_is_one_line(text):
    with pytest.raises(ClaimsError, match=r"expected KIND\[/DETAIL\]\[@BACKEND\], found") as caught:
        Source.parse(text)
    assert "\n" not in str(caught.value)
