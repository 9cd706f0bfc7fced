import json

import pytest

from harness.core.errors import ClaimsError
from harness.report.verdict_log import TORN, VerdictLog, read
from tests.report.samples import CLAIM_1, DAY_2, verdict


@pytest.fixture
def path(tmp_path):
    return tmp_path / "verdicts.jsonl"


def write(path, *records):
    history = VerdictLog(path)
    for record in records:
        history.append(record)
    history.close()


def test_records_come_back_in_order(path):
    records = (CLAIM_1, verdict(), verdict(date=DAY_2))
    write(path, *records)
    tail = read(path)
    assert tail.records == records
    assert tail.end == path.stat().st_size
    assert tail.notes == ()


def test_each_append_reaches_the_file_at_once(path):
    history = VerdictLog(path)
    for count in (1, 2, 3):
        history.append(verdict())
        assert len(read(path).records) == count
    history.close()


def test_reading_starts_at_the_offset(path):
    write(path, verdict())
    end = read(path).end
    write(path, verdict(date=DAY_2))
    assert read(path, end).records == (verdict(date=DAY_2),)
    assert read(path, read(path).end).records == ()


@pytest.mark.parametrize("start", [7, 10**9])
def test_an_offset_into_another_file_reads_all_of_it(path, start):
    write(path, CLAIM_1, verdict())
    assert read(path, start).records == (CLAIM_1, verdict())


def test_a_missing_history_is_empty(path):
    assert read(path, 50).records == ()
    assert read(path, 50).end == 0


@pytest.mark.parametrize("kept", [1, 20, -1])
def test_half_a_last_line_is_noted_and_the_rest_read(path, kept):
    write(path, verdict())
    whole = path.read_bytes()
    half = json.dumps({"verdict": {"claim": "claim1"}}).encode()[:kept]
    path.write_bytes(whole + half)
    tail = read(path)
    assert tail.records == (verdict(),)
    assert tail.end == len(whole)  # what is torn is read again, when it may be whole
    (note,) = tail.notes
    assert note.startswith(f"{path}:2:")


def test_the_next_session_marks_the_torn_line_and_goes_on(path):
    write(path, verdict())
    path.write_bytes(path.read_bytes() + b'{"verdict": {"claim": "cl')
    write(path, verdict(date=DAY_2))
    assert path.read_bytes().count(TORN) == 1
    tail = read(path)
    assert tail.records == (verdict(), verdict(date=DAY_2))
    assert [note.split(" ")[0] for note in tail.notes] == [f"{path}:2:"]
    assert read(path, tail.end).notes == ()  # told once


def test_a_record_that_lacks_only_its_newline_is_not_lost(path):
    write(path, verdict())
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    assert read(path).records == (verdict(),)
    write(path, verdict(date=DAY_2))
    assert read(path).records == (verdict(), verdict(date=DAY_2))
    assert read(path).notes == ()


DAMAGED = {
    "half a line in the middle": b'{"verdict": {"claim": "cl\n',
    "not JSON": b"hello\n",
    "not UTF-8": b"\xff\xfe\n",
    "other keys": b'{"verdikt": {}}\n',
    "two records": b'{"verdict": {}, "claim": {}}\n',
    "no object": b"[1]\n",
    "missing fields": b'{"verdict": {"claim": "claim1"}}\n',
    "a figure that is not finite": b'{"verdict": {"estimate": NaN}}\n',
}


@pytest.mark.parametrize("line", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_line_is_an_error_that_names_it_and_the_file_stays(path, line):
    write(path, CLAIM_1)
    path.write_bytes(path.read_bytes() + line)
    write(path, verdict())
    before = path.read_bytes()
    with pytest.raises(ClaimsError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:2")
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


def test_a_figure_that_is_not_finite_is_refused_before_it_is_written(path):
    with pytest.raises(ClaimsError, match="expected finite numbers, found nan"):
        VerdictLog(path).append(verdict(estimate=float("nan")))
    assert not path.exists()


def test_a_line_that_no_longer_fits_is_said_and_never_damages_the_next(path, no_room):
    history = VerdictLog(path)
    history.append(verdict(hypothesis="first"))
    with no_room(path.stat().st_size + 100):
        with pytest.raises(ClaimsError, match=r"only 100 of \d+ bytes fitted"):
            history.append(verdict(hypothesis="second"))
        with pytest.raises(ClaimsError, match="File too large"):
            history.append(verdict(hypothesis="third"))
    history.append(verdict(hypothesis="fourth"))
    history.close()
    tail = read(path)
    assert [record.hypothesis for record in tail.records] == ["first", "fourth"]
    assert len(tail.notes) == 1
