import pytest

from harness.suite.landmarks import with_landmarks


def test_a_page_has_its_language_and_one_main_part(finished):
    text = (finished[0] / "reports" / "report.html").read_text(encoding="utf-8")
    assert text.count('<html lang="en">') == text.count("<main>") == text.count("</main></body>") == 1
    assert text.index("<body><main>") < text.index('<h1 id="title">') < text.index("</main></body>")


@pytest.mark.parametrize("text", ["", "<html></html>", "<body>"])
def test_a_page_of_another_form_stays_as_it_is(text):
    assert with_landmarks(text) == text
