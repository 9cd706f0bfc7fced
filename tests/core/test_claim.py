"""What a claim file states, and what is refused."""

import types

import pytest

from harness.core.claim import Claim, Statement, StatementRecord, require_plugin
from harness.core.errors import ClaimsError
from harness.core.hypotheses import All, Better, Contender, Expected, Ratio

CLAIM = Claim(id="c", title="t", quote="q", source="s")
A, B = (Contender(name, "ImageNet-21k") for name in "AB")
ON = {on: Better(A, than=B, on=on) for on in "de"}
EVERYWHERE = All(tuple(ON.values()), named="A > B everywhere")


def test_a_hypothesis_stated_twice_is_refused():
    with pytest.raises(ClaimsError, match="c: a hypothesis is stated twice"):
        CLAIM.hypotheses([ON["d"], Better(A, than=B, on="d", expected={"micro": Expected("REFUTED", "r")})])
    with pytest.raises(ClaimsError, match="c: a hypothesis is stated twice"):
        CLAIM.answered_by(Statement("q", "says", ON["d"]), Statement("q", "says otherwise", ON["d"]))


def test_families_have_names_and_share_no_hypothesis():
    @CLAIM.hypotheses({"on d": [ON["d"]], "on e": [ON["e"]]}, expected={})
    def test(hypothesis, judge):
        judge(hypothesis)

    assert test.stated == (CLAIM, (ON["d"], ON["e"]))
    assert test.families == {ON["d"].id: "on d", ON["e"].id: "on e"}
    refused = {
        "a hypothesis is stated twice": {"one": [ON["d"]], "other": [ON["d"]]},
        "expected a name for each family of hypotheses, found ' '": {" ": [ON["d"]]},
        "expected a name for each family of hypotheses, found 1": {1: [ON["d"]]},
        "expected at least one hypothesis": {"one": [ON["d"]], "other": []},
        "expected at least one hypothesis, found an empty list": {},
        "expected a list of hypotheses, found Better": {"one": ON["d"]},
    }
    for line, stated in refused.items():
        with pytest.raises(ClaimsError, match=f"c: {line}"):
            CLAIM.hypotheses(stated)


def test_what_was_never_released_is_named_with_the_reason():
    claim = Claim(id="c", title="t", quote="q", source="s", not_verifiable={"JFT-300M": "never released"})
    jft = Contender("B", "JFT-300M")
    assert claim.why_not_verifiable(ON["d"]) is None
    assert claim.why_not_verifiable(Better(A, than=jft, on="d")) == "JFT-300M: never released"
    # Of a compound one is enough; costs are asked of contenders, too.
    assert claim.why_not_verifiable(All((ON["d"], Better(A, than=jft, on="d")))) == "JFT-300M: never released"
    assert claim.why_not_verifiable(Ratio(A, jft, of="days", at_most=1)) == "JFT-300M: never released"
    by_name = Claim(id="c", title="t", quote="q", source="s", not_verifiable={str(A): "lost"})
    assert by_name.why_not_verifiable(ON["d"]) == "A (ImageNet-21k): lost"


def test_statements_are_hypotheses_with_words_of_their_own():
    first = Statement("A wins", "A is better than B everywhere", EVERYWHERE, material="public weights for JFT")
    second = Statement("A wins on d", "A is better than B on d", ON["d"])

    @CLAIM.answered_by(first, second, expected={})
    def test(hypothesis, judge):
        judge(hypothesis)

    assert test.stated == (CLAIM, (EVERYWHERE, ON["d"]))
    assert test.statements == (first, second)
    assert first.record == StatementRecord(
        "A > B everywhere", "A wins", "A is better than B everywhere", "public weights for JFT"
    )


def test_what_is_on_record_reaches_the_hypothesis_it_is_of():
    records = {"A > B everywhere": {"micro": Expected("OPEN", "r")}}

    @CLAIM.answered_by(Statement("q", "everywhere", EVERYWHERE), Statement("q", "on d", ON["d"]), expected=records)
    def test(hypothesis, judge):
        judge(hypothesis)

    everywhere, on_d = test.stated[1]
    assert everywhere.expected == (("micro", Expected("OPEN", "r")),)
    assert on_d.expected == ()


def claim_file(folder, records):
    """Return the test function of a claim file in a folder, with or without a file of records beside it."""
    if records is not None:
        (folder / "expected.toml").write_text(records)
    namespace = {"__file__": str(folder / "test_mine.py"), "claim": CLAIM, "stated": list(ON.values())}
    exec("@claim.hypotheses(stated)\ndef test(hypothesis, judge):\n    judge(hypothesis)\n", namespace)
    return namespace["test"]


def test_the_file_of_records_beside_a_claim_file_is_read_without_being_named(tmp_path):
    test = claim_file(tmp_path, f'[test_mine."{ON["e"].id}"]\nmicro = "REFUTED: A 1, B 2"\n')
    assert [dict(each.expected) for each in test.stated[1]] == [{}, {"micro": Expected("REFUTED", "A 1, B 2")}]


def test_a_claim_file_needs_no_records(tmp_path):
    test = claim_file(tmp_path, None)
    assert [each.expected for each in test.stated[1]] == [(), ()]
    assert test.records == {}


def test_a_claim_file_is_not_collected_without_the_plugin_that_judges():
    test = CLAIM.hypotheses(list(ON.values()), {})(lambda hypothesis, judge: None)
    assert test.__globals__["pytest_generate_tests"] is require_plugin

    def metafunc(function, plugin):
        manager = types.SimpleNamespace(has_plugin=lambda name: plugin and name == "harness.suite.plugin")
        module = types.SimpleNamespace(__file__="test_mine.py")
        return types.SimpleNamespace(
            function=function, module=module, config=types.SimpleNamespace(pluginmanager=manager)
        )

    with pytest.raises(pytest.fail.Exception, match=r"test_mine.py: expected the plugin .*; add -p harness"):
        require_plugin(metafunc(test, plugin=False))
    require_plugin(metafunc(test, plugin=True))
    require_plugin(metafunc(lambda: None, plugin=False))  # it judges nothing


@pytest.mark.parametrize(
    "changed, message", [({"id": "Claim 1"}, "pattern"), ({"negligible": 0}, "greater than 0"), ({"alpha": 1}, "alpha")]
)
def test_a_malformed_claim_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        Claim(**{"id": "c", "title": "t", "quote": "q", "source": "s"} | changed)
