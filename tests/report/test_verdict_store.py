import json

import pytest

from harness.core.errors import ClaimsError
from harness.report.session_record import session_record
from harness.report.verdict_log import VerdictLog
from harness.report.verdict_store import (
    ANSWERS_FILE,
    HISTORY_FILE,
    LOG_FILE,
    VERDICTS_FILE,
    VerdictStore,
    load,
    save,
)
from tests.report.samples import CLAIM_1, DAY_1, DAY_2, EVERYWHERE, NASTY, store, verdict


@pytest.mark.parametrize("turn", [1, -1])
def test_of_two_verdicts_with_one_key_the_later_dated_stays_whatever_the_order(turn):
    old, new = verdict(date=DAY_1, estimate=1.0), verdict(date=DAY_2, estimate=2.0)
    kept = VerdictStore()
    kept.add([old, new][::turn])
    assert kept.sorted() == [new]


@pytest.mark.parametrize("turn", [1, -1])
def test_not_run_takes_no_measured_verdict_s_place_whatever_the_order(turn):
    measured, not_run = verdict(date=DAY_1), verdict(date=DAY_2, verdict="NOT RUN", estimate=None)
    kept = VerdictStore()
    kept.add([measured, not_run][::turn])
    assert kept.sorted() == [measured]


def test_dates_are_compared_as_moments_not_as_text():
    # 23:30 at UTC-3 is 02:30 UTC of the next day: later than 01:00 UTC, though its text sorts before.
    west, utc = verdict(date="2026-03-01T23:30:00-03:00"), verdict(date="2026-03-02T01:00:00+00:00")
    kept = VerdictStore()
    kept.add([west, utc])
    assert kept.sorted() == [west]


def test_an_undated_verdict_gives_way_to_any_dated_one():
    kept = VerdictStore()
    kept.add([verdict(date=DAY_1, estimate=1.0), verdict(date="", estimate=2.0)])
    assert [one.estimate for one in kept.sorted()] == [1.0]


def test_a_date_that_is_none_is_refused_even_without_a_rival():
    with pytest.raises(ClaimsError, match=r"expected an ISO 8601 date, found 'yesterday'"):
        VerdictStore().add([verdict(date="yesterday")])


@pytest.mark.parametrize("claim", ["../../elsewhere", "/tmp/x", "", "a b", NASTY])
def test_a_claim_id_that_could_name_another_file_is_refused(claim):
    with pytest.raises(ClaimsError, match="expected a claim id"):
        VerdictStore().add([verdict(claim=claim)])


def test_sources_claims_and_hypotheses_are_kept_apart():
    kept = VerdictStore()
    kept.add([verdict(), verdict(source="micro"), verdict(claim="claim2"), verdict(hypothesis="a > b on pets")])
    assert len(kept.verdicts) == 4


def test_keep_stated_drops_what_the_claim_no_longer_states_and_says_so():
    kept = VerdictStore()
    gone = [verdict(hypothesis=f"old {k}") for k in range(5)]
    other = verdict(claim="claim2", hypothesis="old 0", source="published/course")
    kept.add([verdict(), *gone, other])
    kept.keep_stated({"claim1": [verdict().hypothesis]})
    assert kept.sorted() == [verdict(), other]  # a claim that was not collected keeps everything
    (note,) = kept.notes
    assert "claim1" in note
    assert "old 0; old 1; old 2; and 2 more" in note


def test_verdicts_by_one_publication_each_give_way_to_those_on_all_together():
    kept = VerdictStore()
    kept.add([verdict(), verdict(source="published/course"), verdict(source="published/vit-paper/table-2")])
    kept.add([verdict(source="published/course", hypothesis="gone"), verdict(source="micro")])
    elsewhere = verdict(claim="claim2", source="published/course")
    kept.add([elsewhere])
    kept.keep_stated({"claim1": [verdict().hypothesis]})
    assert set(kept.verdicts) == {verdict().key, verdict(source="micro").key, elsewhere.key}
    assert kept.notes == [
        "claim1: dropped 2 verdicts by one publication each; publications are judged together now",
        "claim1: dropped the verdicts on what the claim no longer states: gone",
    ]


def test_a_file_from_before_publications_were_judged_together_is_read(tmp_path):
    """Its verdicts name one publication as their source, and have none of the fields that came later."""
    path = tmp_path / VERDICTS_FILE
    path.write_text(
        '{"format": 1, "history_bytes": 0, "claims": [{"id": "claim1", "title": "t", "quote": "q", "source": "s",'
        ' "not_verifiable": []}], "verdicts": [{"claim": "claim1", "hypothesis": "a > b on cifar10", "kind": "Better",'
        ' "dataset": "cifar10", "source": "published/course", "verdict": "REFUTED", "reason": "r", "estimate": -1.5,'
        ' "low": -2.0, "high": -1.0, "level": 0.95, "p": 0.001, "known": "REFUTED"}]}'
    )
    read = load(tmp_path)
    (found,) = read.sorted()
    assert (found.source, found.verdict, found.rows, found.components) == ("published/course", "REFUTED", (), ())
    assert read.answers() == []
    read.keep_stated({"claim1": ["a > b on cifar10"]})
    assert read.verdicts == {}
    save(tmp_path, read)
    assert load(tmp_path).claims == read.claims


def test_the_answers_are_in_the_file_and_follow_from_its_verdicts(tmp_path):
    save(tmp_path, store())
    alone = json.loads((tmp_path / ANSWERS_FILE).read_text())
    assert alone == {
        "schema_version": 1, "answers": json.loads((tmp_path / VERDICTS_FILE).read_text())["answers"]
    }  # fmt: skip
    listed = json.loads((tmp_path / VERDICTS_FILE).read_text())["answers"]
    assert [(each["claim"], each["source"], each["answer"]) for each in listed] == [
        ("claim1", "published", "OPEN"),
        ("claim1", "micro", "CONTRADICTED"),
    ]
    assert listed[0]["hypotheses"][0] == EVERYWHERE
    # What a file says of them is not read.
    path = tmp_path / VERDICTS_FILE
    path.write_text(path.read_text().replace('"answer": "OPEN"', '"answer": "SUPPORTED"'))
    assert [each.answer for each in load(tmp_path).answers()] == ["OPEN", "CONTRADICTED"]


def test_keep_stated_says_nothing_when_nothing_is_dropped():
    kept = VerdictStore()
    kept.add([verdict()])
    kept.keep_stated({"claim1": [verdict().hypothesis, "another"], "claim9": []})
    assert kept.notes == []
    assert len(kept.verdicts) == 1


def test_a_saved_store_reads_back_equal(tmp_path):
    written = store()
    save(tmp_path, written)
    again = load(tmp_path)
    assert again.claims == written.claims
    assert again.verdicts == written.verdicts
    assert json.loads((tmp_path / VERDICTS_FILE).read_text())["schema_version"] == 1


def test_the_file_does_not_depend_on_the_order_in_which_verdicts_came(tmp_path):
    for name, verdicts in (("a", store().sorted()), ("b", store().sorted()[::-1])):
        shuffled = VerdictStore(claims=store().claims)
        shuffled.add(verdicts)
        save(tmp_path / name, shuffled)
    assert (tmp_path / "a" / VERDICTS_FILE).read_bytes() == (tmp_path / "b" / VERDICTS_FILE).read_bytes()


def test_claims_and_verdicts_stand_in_natural_order():
    kept = VerdictStore()
    kept.add([verdict(claim=name) for name in ("claim10", "claim2", "claim1")])
    assert kept.claim_ids() == ["claim1", "claim2", "claim10"]
    assert [one.claim for one in kept.sorted()] == ["claim1", "claim2", "claim10"]


def test_load_merges_what_the_history_has_beyond_the_saved_file(tmp_path):
    history = VerdictLog(tmp_path / LOG_FILE)
    history.append(verdict(estimate=1.0))
    save(tmp_path, load(tmp_path))
    seen = load(tmp_path).log_bytes
    assert seen == (tmp_path / LOG_FILE).stat().st_size
    history.append(verdict(date=DAY_2, estimate=2.0))
    history.append(CLAIM_1)
    history.close()
    merged = load(tmp_path)
    assert [one.estimate for one in merged.sorted()] == [2.0]
    assert list(merged.claims) == ["claim1"]
    assert merged.log_bytes > seen


def test_verdicts_in_the_history_of_an_older_folder_are_read_once(tmp_path):
    """Before there was a log of its own, every verdict was in history.jsonl, which now has a line a session."""
    old = VerdictLog(tmp_path / HISTORY_FILE)
    for record in (CLAIM_1, verdict(estimate=1.0)):
        old.append(record)
    end = old.path.stat().st_size
    (tmp_path / VERDICTS_FILE).write_text(GOOD.replace("schema_version", "format"))
    first = load(tmp_path)
    assert [one.estimate for one in first.sorted()] == [1.0]
    save(tmp_path, first)
    old.append(session_record([], [], judged=0, seconds=1, command="pytest"))
    old.close()
    again = load(tmp_path)
    assert (again.verdicts, first.history_bytes) == (first.verdicts, end)
    assert again.history_bytes > end


def test_load_of_an_empty_folder_is_an_empty_store_and_writes_nothing(tmp_path):
    assert load(tmp_path) == VerdictStore()
    assert list(tmp_path.iterdir()) == []


def test_a_save_that_fails_leaves_the_old_file(tmp_path, no_room):
    save(tmp_path, store())
    before = (tmp_path / VERDICTS_FILE).read_bytes()
    with no_room(1000), pytest.raises(ClaimsError, match="File too large") as caught:
        save(tmp_path, store())
    assert "\n" not in str(caught.value)
    assert (tmp_path / VERDICTS_FILE).read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {VERDICTS_FILE, ANSWERS_FILE}


GOOD = '{"schema_version": 1, "history_bytes": 0, "claims": [], "verdicts": []}'
MALFORMED = {
    "not JSON": ('{"format": 1,\n "verdicts": [', "line 2, column"),
    "empty": ("", "column 1"),
    "not UTF-8": (b"\xe9\xfe{}", "UTF-8"),
    "a list": ("[]", "expected an object with schema_version 1, found list"),
    "a later version": (GOOD.replace("1", "2", 1), "expected schema_version 1, found 2"),
    "a later version of an old name": (GOOD.replace('"schema_version": 1', '"format": 2'), "version 1, found 2"),
    "no version": (GOOD.replace('"schema_version": 1, ', ""), "expected schema_version 1, found None"),
    "true for a version": (GOOD.replace("1", "true", 1), "expected schema_version 1, found True"),
    "no claims": (GOOD.replace('"claims": [], ', ""), "claims: expected a list, found NoneType"),
    "a verdict that is none": (
        GOOD.replace('"verdicts": []', '"verdicts": [3]'),
        "verdicts record 1: expected an object",
    ),
    "an unknown key": (GOOD.replace('"claims": []', '"claims": [{"titel": "x"}]'), "claims record 1"),
    "negative offset": (GOOD.replace(": 0", ": -4"), "history_bytes: expected a number of bytes, found -4"),
    "offset is true": (GOOD.replace(": 0", ": true"), "history_bytes: expected a number of bytes, found True"),
    "NaN": (GOOD.replace(": 0", ": NaN"), "expected finite numbers, found NaN"),
    "infinite by overflow": (GOOD.replace(": 0", ": 1e999"), "expected finite numbers"),
    "too deep": ("[" * 100_000, "nested"),
}


@pytest.mark.parametrize("content, message", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_file_is_one_line_that_names_it_and_stays(tmp_path, content, message):
    path = tmp_path / VERDICTS_FILE
    raw = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(raw)
    with pytest.raises(ClaimsError) as caught:
        load(tmp_path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert message in text
    assert "\n" not in text
    assert path.read_bytes() == raw


def test_a_bad_field_of_a_record_is_named(tmp_path):
    save(tmp_path, store())
    path = tmp_path / VERDICTS_FILE
    path.write_text(path.read_text().replace('"verdict": "REFUTED"', '"verdict": "REFUSED"', 1))
    with pytest.raises(ClaimsError, match=r"verdicts record \d+.*REFUSED") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_in_the_place_of_the_file_is_one_line(tmp_path):
    (tmp_path / VERDICTS_FILE).mkdir()
    with pytest.raises(ClaimsError, match="Is a directory"):
        load(tmp_path)
