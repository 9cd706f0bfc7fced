"""What a claim file states that is malformed is one line in pytest's output."""

import pytest

from tests.suite.test_plugin import CLAIM_FILE, suite  # noqa: F401

LINES = {
    'id="t"': (
        'id="../x"',
        r"test_t.py:6: Claim: id: String should match pattern '^[a-z0-9_]+$', found '../x'",
    ),
    'on="imagenet")]': ("on=3)]", "test_t.py:12: Better: on: expected a valid string, found 3"),
    "than=B32": ("then=B32", "test_t.py:12: Better: then: Unexpected keyword argument"),
}


@pytest.mark.parametrize("right", LINES)
def test_a_malformed_statement_is_one_line_with_its_place(right, suite):  # noqa: F811
    wrong, line = LINES[right]
    (suite.root / "claims" / "test_t.py").write_text(CLAIM_FILE.replace(right, wrong))
    done = suite()
    assert done.returncode == 2
    assert line in done.stdout
    assert "pydantic" not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
