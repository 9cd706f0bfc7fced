"""Records of what is known against a hypothesis: read whole or refused in one line."""

import pytest

from harness.claim import Better, Claim, Contender, Known
from harness.errors import ClaimsError
from harness.known import recorded


def read(tmp_path, text):
    (tmp_path / "known.toml").write_text(text)
    return recorded(str(tmp_path / "test_claim9.py"))


def test_records_reach_their_hypotheses(tmp_path):
    records = read(tmp_path, '[test_claim9."A (X) > B (X) on d"]\nmicro = "REFUTED: A 1, B 2"\n[other]\n')
    assert records == {"A (X) > B (X) on d": {"micro": Known("REFUTED", "A 1, B 2")}}
    claim = Claim(id="c", title="t", quote="q", source="s")

    @claim.hypotheses([Better(Contender("A", "X"), than=Contender("B", "X"), on=on) for on in "de"], records)
    def test(hypothesis, judge):
        judge(hypothesis)

    first, second = test.stated[1]
    assert dict(first.known)["micro"].verdict == "REFUTED"
    assert second.known == ()


@pytest.mark.parametrize(
    "text, message",
    [
        ('[test_claim9."h"]\nmicro = "REFUTED"', "expected \"VERDICT: reason with figures\", found 'REFUTED'"),
        (
            '[test_claim9."h"]\nmicro = "REPRODUCED: fine"',
            "Input should be 'REFUTED' or 'INCONCLUSIVE', found 'REPRODUCED'",
        ),
        ("[test_claim9]\nh = 3", "expected lines SOURCE"),
        ("[test_claim9", "known.toml: expected TOML, found"),
    ],
)
def test_malformed_records_are_one_line(tmp_path, text, message):
    with pytest.raises(ClaimsError, match=message) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_every_record_of_the_claims_names_a_stated_hypothesis():
    import importlib
    import tomllib
    from pathlib import Path

    import claims

    folder = Path(claims.__file__).parent
    for module_name, records in tomllib.loads((folder / "known.toml").read_text()).items():
        module = importlib.import_module(f"claims.{module_name}")
        stated = {h.id for f in vars(module).values() if hasattr(f, "stated") for h in f.stated[1]}
        assert set(records) <= stated
