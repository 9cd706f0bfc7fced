import json
import shutil

import pytest

from harness.core.errors import ClaimsError
from harness.report.records import read_folder
from harness.report.session_record import session_record
from harness.report.verdict_log import VerdictLog
from harness.runs.store import Store
from tests.cli import command
from tests.report.run_making import made
from tests.report.samples import CLAIM_1, DAY_1, DAY_2, store, verdict
from tests.report.test_records import written


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return an empty folder that the command runs in, with a home of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path / "home"))
    return tmp_path


def test_all_files_are_rebuilt_from_the_verdicts(place, capsys):
    folder = written(place / "reports", store().sorted())
    (folder / "runs.json").unlink()
    assert command("report") == 0
    assert "20 verdicts on 2 claims, 0 runs: reports/report.html" in capsys.readouterr().out
    for name in ("report.html", "summary.md", "answers.json", "runs.json", "tables/claim2.csv"):
        assert (folder / name).exists()
    assert read_folder(folder).store.verdicts == store().verdicts


def test_a_log_without_verdicts_json_is_enough(place):
    """So a session that was killed leaves it."""
    log = VerdictLog(place / "reports" / "verdicts.jsonl")
    for record in (CLAIM_1, verdict()):
        log.append(record)
    log.close()
    assert command("report") == 0
    assert list(read_folder(place / "reports").store.verdicts) == [verdict().key]


def test_one_folder_is_rebuilt_in_place(place):
    folder = written(place / "night", [verdict()])
    assert command("report", folder) == 0
    assert (folder / "report.html").exists()
    assert not (place / "reports").exists()


def test_shards_are_merged_with_their_runs_and_sessions_and_stay_as_they_were(place):
    runs = [made(seed) for seed in (0, 1)]
    for k, (run, result) in enumerate(runs):
        Store(place / "home").put(run, result)
        shard = written(place / f"shard{k}", [verdict(source=("micro", "published")[k], runs=(run.id,))])
        history = VerdictLog(shard / "history.jsonl")
        history.append(session_record([], [], judged=k, seconds=1, command="pytest"))
        history.close()
    before = {path: path.read_bytes() for path in place.glob("shard*/*")}
    for _ in range(2):  # a second time adds nothing
        assert command("report", "shard0", "shard1", "--report-dir", "whole") == 0
        whole = read_folder(place / "whole")
        assert {key[2] for key in whole.store.verdicts} == {"micro", "published"}
        assert set(whole.runs) == {run.id for run, _ in runs}
        assert sorted(one.judged for one in whole.sessions) == [0, 1]
    assert {path: path.read_bytes() for path in place.glob("shard*/*")} == before


def test_nights_are_merged_into_what_is_there(place):
    written(place / "reports", [verdict(date=DAY_2, estimate=2.0)])
    written(place / "a", [verdict(date=DAY_1, estimate=1.0)])
    written(place / "b", [verdict(source="micro")])
    assert command("report", "a", "b") == 0
    found = read_folder(place / "reports").store.verdicts
    assert {key[2]: one.estimate for key, one in found.items()} == {"published": 2.0, "micro": 1.09}


def test_latex_and_the_hub_s_files_are_written_when_asked_for(place, capsys, monkeypatch):
    run, result = made()
    Store(place / "home").put(run, result)
    folder = written(place / "reports", [verdict(source="gpu/paper", runs=(run.id,))])
    paper = place / "paper"
    paper.mkdir()
    (paper / "paper.toml").write_text('title = "t"\nidentifier = "t"\n[hub_datasets]\npics = "someone/pics"\n')
    monkeypatch.setenv("VIT_CLAIMS_PAPER", str(paper))
    assert command("report", "--latex", "--hub", "hub") == 0
    assert (folder / "tables" / "claim1.tex").exists()
    assert [path.name for path in (place / "hub").rglob("*.yaml")] == ["pics_gpu-paper.yaml"]
    assert "1 files of results" in capsys.readouterr().out
    assert json.loads(next((folder / "models").iterdir()).read_text()) == {"pics": 100.0}


@pytest.mark.parametrize("arguments, message", [
    ((), "found no folder reports"), (("gone",), "gone: expected a report's folder or a bundle, found nothing"),
    (("--report-dir", "no"), "found no folder no"),
])  # fmt: skip
def test_a_folder_that_is_none_is_one_line_and_is_not_made(place, arguments, message):
    with pytest.raises(ClaimsError, match=message):
        command("report", *arguments)
    assert not [path for path in place.iterdir() if path.name != "home"]


@pytest.mark.parametrize("name", ["verdicts.json", "runs.json", "history.jsonl", "verdicts.jsonl"])
def test_a_damaged_record_is_one_line_and_nothing_is_written(place, name):
    folder = written(place / "reports", [verdict()])
    shutil.copytree(folder, place / "other")
    (folder / name).write_text('{"schema_version": 7}\n')
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ClaimsError, match=name):
        command("report", "other", "--report-dir", "reports")
    before.pop(".lock", None)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"} == before


def test_a_reproducibility_report_is_written_once(place, capsys):
    written(place / "reports", store().sorted())
    assert command("report", "--reproducibility", "re.md") == 0
    text = (place / "re.md").read_text()
    assert f"re.md: {text.count('TO BE WRITTEN')} gaps to be filled by the author" in capsys.readouterr().out
    (place / "re.md").write_text("filled by hand")
    with pytest.raises(ClaimsError, match="expected a new file, found one"):
        command("report", "--reproducibility", "re.md")
    assert (place / "re.md").read_text() == "filled by hand"


def shown(folder):
    """Return the text of a page's first screen."""
    return (folder / "report.html").read_text().partition('<details class="card"')[0]


def session_line(folder, **values):
    history = VerdictLog(folder / "history.jsonl")
    history.append(session_record([], [], judged=1, seconds=1, command="pytest", **values))
    history.close()


def test_a_rebuilt_page_says_what_changed_in_the_last_session(place):
    folder = written(place / "reports", [verdict()])
    session_line(folder)
    assert command("report") == 0
    assert "This is the first report in this folder." in shown(folder)
    session_line(folder, changed=["verdict of claim1, published, A: OPEN -> REFUTED", "coverage of a: b -> c"])
    assert command("report") == 0
    assert "Changed in the session of " in shown(folder)
    assert "verdict of claim1, published, A: OPEN -&gt; REFUTED" in shown(folder)
    assert "coverage of a: b -&gt; c" in shown(folder)
    assert "OPEN -\\> REFUTED" in (folder / "summary.md").read_text()
    session_line(folder, baseline="last/night")
    assert command("report") == 0
    assert "Nothing changed in the session of " in shown(folder)
    assert "against last/night" in shown(folder)


def test_a_rebuilt_page_is_compared_with_a_baseline_or_with_what_was_merged_into(place):
    folder = written(place / "reports", [verdict(verdict="REPRODUCED", date=DAY_1)])
    other = written(place / "night", [verdict(verdict="REFUTED", date=DAY_2)])
    assert command("report", "--baseline", other) == 0
    assert f"Changed since {other}:" in shown(folder)
    assert "was REFUTED, is REPRODUCED" in shown(folder)
    assert command("report", other, "--report-dir", folder) == 0
    assert "Changed since the last report:" in shown(folder)
    assert "was REPRODUCED, is REFUTED" in shown(folder)
