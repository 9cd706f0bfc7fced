import zipfile
from pathlib import Path

import pytest

from harness.core.errors import ClaimsError
from harness.report.records import Records, merged, origins, read_folder, read_records
from harness.report.run_records import save_runs
from harness.report.session_record import session_record
from harness.report.verdict_log import VerdictLog
from harness.report.verdict_store import VerdictStore, save
from tests.report.run_making import record
from tests.report.samples import CLAIM_1, DAY_1, DAY_2, store, verdict


def written(folder, verdicts, runs=()):
    """Write a report's records and return its folder."""
    made = VerdictStore()
    made.add([CLAIM_1, *verdicts])
    save(folder, made)
    save_runs(folder / "runs.json", {run.id: run for run in runs})
    return folder


def zipped(folder, path):
    with zipfile.ZipFile(path, "w") as file:
        for each in folder.iterdir():
            file.write(each, each.name)
    return path


def test_a_folder_its_verdicts_and_a_zip_of_it_give_the_same_records(tmp_path):
    folder = written(tmp_path / "a", store().sorted(), [record(0)])
    history = VerdictLog(folder / "history.jsonl")
    history.append(session_record([], [], judged=1, seconds=2, command="pytest"))
    history.close()
    expected = read_folder(folder)
    assert len(expected.sessions) == len(expected.runs) == 1
    for place in (folder, folder / "verdicts.json", zipped(folder, tmp_path / "a.zip")):
        found = read_records(place)
        assert (found.store.verdicts, found.runs, found.sessions) == (
            store().verdicts,
            expected.runs,
            expected.sessions,
        )


def test_what_is_no_report_is_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("no zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as file:
        file.writestr("a", "b")
    for name, message in (
        ("empty", "found no verdicts.json"),
        ("gone", "found nothing there"),
        ("text", "found another file"),
        ("other.zip", "a zip without verdicts.json"),
    ):
        with pytest.raises(ClaimsError, match=message) as caught:
            read_records(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path / name))


def test_a_damaged_record_in_a_bundle_is_named_by_the_bundle(tmp_path):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as file:
        file.writestr("verdicts.json", '{"schema_version": 9}')
    with pytest.raises(ClaimsError, match=r"bad\.zip/verdicts\.json: expected schema_version 1, found 9"):
        read_records(tmp_path / "bad.zip")


@pytest.mark.parametrize("turn", [1, -1])
def test_merged_reports_keep_the_later_verdict_and_never_not_run(turn):
    parts = []
    for name, verdicts in (
        ("monday", [verdict(date=DAY_1, estimate=1.0), verdict(source="micro", date=DAY_1)]),
        ("tuesday", [verdict(date=DAY_2, estimate=2.0), verdict(source="micro", date=DAY_2, verdict="NOT RUN")]),
    ):
        part = Records(Path(name))
        part.store.add([CLAIM_1, *verdicts])
        parts.append(part)
    whole = merged(parts[::turn], Path("week"))
    by_source = {one.source: one for one in whole.store.sorted()}
    assert (by_source["published"].estimate, by_source["micro"].verdict) == (2.0, "REPRODUCED")
    assert list(whole.store.claims) == ["claim1"]


@pytest.mark.parametrize("turn", [1, -1])
def test_merged_runs_keep_the_later_computed_and_say_where_predictions_differ(turn):
    early, late = record(0, computed=DAY_1), record(0, (1, 2), computed=DAY_2)
    other = record(1)
    parts = [Records(Path("a"), runs={early.id: early}), Records(Path("b"), runs={late.id: late, other.id: other})]
    whole = merged(parts[::turn], Path("both"))
    assert whole.runs == {late.id: late, other.id: other}
    (note,) = whole.store.notes
    assert note.startswith(f"run {early.id} gave other predictions in {parts[::turn][1].place}")


def test_a_session_of_two_reports_is_listed_once_and_sessions_are_in_order():
    first, second = (session_record([], [], judged=n, seconds=n, command="pytest") for n in (1, 2))
    parts = [Records(Path("a"), sessions=(second, first)), Records(Path("b"), sessions=(first,))]
    assert sorted(merged(parts, Path("c")).sessions, key=lambda one: one.judged) == [first, second]


def test_runs_made_elsewhere_are_counted_by_where():
    runs = [record(0, origin="night.zip"), record(1, origin="night.zip"), record(2)]
    assert origins({run.id: run for run in runs}) == ["2 of 3 runs were made elsewhere, imported from night.zip"]
