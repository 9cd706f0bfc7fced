"""The ledger: a chain that shows every change, and since when something is on record."""

import hashlib
import json

import pytest

from harness.core.errors import ClaimsError
from harness.judging.ledger import FIRST, Entry, appended, read, read_once, registration

RULE = "rules 2; by itself"


def entry(hypothesis="h", verdict="", source="gpu/paper", digest="d1", rule=RULE):
    return Entry("c", hypothesis, source, digest, rule, verdict, "e" if verdict else "")


@pytest.fixture
def ledger(tmp_path):
    """Return the path of a ledger of three lines."""
    path = tmp_path / "ledger.jsonl"
    for day, entries in (
        ("2026-01-01", [entry("h"), entry("g", "AGREES", "micro")]),
        ("2026-02-01", [entry("h", "REPRODUCED")]),
        ("2026-03-01", [entry("g", "OPEN", "micro"), entry("i", "REFUTED")]),
    ):
        path.write_bytes(appended(path, entries, f"{day}T10:00:00+00:00"))
    return path


def test_each_line_carries_the_digest_of_the_one_before(ledger):
    lines = read(ledger)
    raw = ledger.read_bytes().splitlines()
    assert [line.previous for line in lines] == [FIRST, *(hashlib.sha256(each).hexdigest() for each in raw[:-1])]
    assert [len(line.entries) for line in lines] == [2, 1, 2]
    assert lines[1].entries == (entry("h", "REPRODUCED"),)
    assert ledger.read_bytes().endswith(b"\n")


def test_no_file_is_an_empty_ledger(tmp_path):
    assert read(tmp_path / "ledger.jsonl") == read_once(tmp_path / "ledger.jsonl") == ()


def refused(path, number, message):
    with pytest.raises(ClaimsError, match=message) as caught:
        read(path)
    assert f"ledger.jsonl:{number}: " in str(caught.value)
    assert "\n" not in str(caught.value)
    before = path.read_bytes()
    with pytest.raises(ClaimsError, match=message):
        appended(path, [entry()], "2026-04-01")  # nothing is put after what is damaged
    assert path.read_bytes() == before


@pytest.mark.parametrize("number", [1, 2])
def test_a_changed_line_breaks_the_chain_at_the_next(ledger, number):
    lines = ledger.read_text().splitlines(keepends=True)
    lines[number - 1] = lines[number - 1].replace('"digest": "d1"', '"digest": "d2"')
    ledger.write_text("".join(lines))
    refused(ledger, number + 1, "a line was changed, added or left out: restore the file")


@pytest.mark.parametrize("number", [1, 2])
def test_a_line_that_was_left_out_breaks_the_chain(ledger, number):
    lines = ledger.read_text().splitlines(keepends=True)
    ledger.write_text("".join(lines[: number - 1] + lines[number:]))
    refused(ledger, number, "expected the digest of the line before it")


def test_a_line_that_was_added_or_moved_breaks_the_chain(ledger):
    first, second, third = ledger.read_text().splitlines(keepends=True)
    ledger.write_text(first + third + second)
    refused(ledger, 2, "expected the digest of the line before it")
    ledger.write_text(first + second + second + third)
    refused(ledger, 3, "expected the digest of the line before it")


@pytest.mark.parametrize(
    "line, message",
    [
        ("{", "expected a line that `harness lock` wrote, found something else"),
        ("[]", "expected a line that `harness lock` wrote, found something else"),
        ("\xff", "expected a line that `harness lock` wrote, found something else"),
        ("{}", "previous"),
        (json.dumps({"previous": FIRST, "date": "d", "entries": [], "kind": "unlock"}), "kind"),
        (json.dumps({"previous": "0", "date": "d", "entries": []}), "previous"),
        (json.dumps({"previous": FIRST, "date": "d", "entries": [{"claim": "c"}]}), "entries"),
    ],
)
def test_a_damaged_line_is_named(ledger, line, message):
    before = ledger.read_bytes()
    ledger.write_bytes(line.encode("latin-1") + b"\n" + before)
    refused(ledger, 1, message)


def test_a_missing_last_newline_harms_nothing(ledger):
    ledger.write_bytes(ledger.read_bytes().rstrip(b"\n"))
    ledger.write_bytes(appended(ledger, [entry("j")], "2026-04-01"))
    assert len(read(ledger)) == 4


def test_a_ledger_is_read_anew_once_it_changed(ledger):
    assert read_once(ledger) is read_once(ledger)
    ledger.write_bytes(appended(ledger, [entry("j")], "2026-04-01"))
    assert len(read_once(ledger)) == 4


def test_what_was_locked_before_it_had_a_verdict_is_preregistered(ledger):
    lines = read(ledger)
    assert registration(lines, "gpu/paper", "h", "d1", RULE) == "preregistered on 2026-01-01"
    assert registration(lines, "gpu/paper", "i", "d1", RULE) == "locked on 2026-03-01"
    assert registration(lines, "micro", "g", "d1", RULE) == "locked on 2026-01-01"  # since the first time


@pytest.mark.parametrize(
    "asked",
    [
        ("gpu/paper", "h", "d2", RULE),  # stated otherwise since
        ("gpu/paper", "h", "d1", "rules 2; 3 in test_f, Holm"),  # decided otherwise
        ("gpu/notebook", "h", "d1", RULE),
        ("gpu/paper", "j", "d1", RULE),
    ],
)
def test_anything_else_is_post_hoc(ledger, asked):
    assert registration(read(ledger), *asked) == "post hoc"


def test_what_was_changed_is_post_hoc_until_it_is_locked_again(ledger):
    ledger.write_bytes(appended(ledger, [entry("h", digest="d2")], "2026-05-05T00:00:00+00:00"))
    assert registration(read(ledger), "gpu/paper", "h", "d2", RULE) == "preregistered on 2026-05-05"
