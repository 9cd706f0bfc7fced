from datetime import UTC, datetime

from harness.report import verdict_log
from harness.report.session_record import session_record
from harness.report.verdict_log import VerdictLog
from tests.report.samples import store


def test_a_session_is_one_line_that_reads_back(tmp_path):
    made = store()
    record = session_record(
        made.sorted(),
        made.answers(),
        judged=7,
        seconds=2.34567,
        command="pytest claims",
        changed=["a", "b"],
        baseline="last night",
    )
    history = VerdictLog(tmp_path / "history.jsonl")
    for _ in range(2):
        history.append(record)
    history.close()
    assert (tmp_path / "history.jsonl").read_text().count("\n") == 2
    tail = verdict_log.read(tmp_path / "history.jsonl")
    assert (tail.records, tail.sessions) == ((), (record, record))


def test_a_session_says_what_it_found():
    made = store()
    record = session_record(made.sorted(), made.answers(), judged=7, seconds=2.34567, command="pytest claims")
    assert dict(record.verdicts) == {
        "REPRODUCED": 4, "INCONCLUSIVE": 4, "REFUTED": 1, "DISAGREES": 2, "OPEN": 1, "NOT VERIFIABLE": 7, "NOT RUN": 1
    }  # fmt: skip
    assert record.answers == (("claim1", "published", "OPEN"), ("claim1", "micro", "CONTRADICTED"))
    assert record.seconds == 2.346
    assert dict(record.versions).keys() == {"python", "vit-claims"}
    age = datetime.now(UTC) - datetime.fromisoformat(record.date)
    assert abs(age.total_seconds()) < 60
