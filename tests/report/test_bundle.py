import hashlib
import json

import pytest

from harness.core.errors import ClaimsError
from harness.core.paper import read_paper
from harness.report.bundle import BundleNote, evidence_of, installed, read_note, save_note, verified, write_bundle
from harness.report.rebuilding import rebuild
from harness.runs.store import Store
from tests.report.bundle_making import make_report, unzipped


@pytest.fixture(autouse=True)
def own_pins(tmp_path, monkeypatch):
    """What is pinned on this machine has no part in a test."""
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path / "pins"))


@pytest.fixture
def report(tmp_path):
    """Return the home, the paper and the folder of a report, rebuilt."""
    home, paper, reports = make_report(tmp_path)
    rebuild(reports, store=Store(home))
    return home, paper, reports


def bundled(path, home, paper, reports):
    return write_bundle(path, reports, rebuild(reports, store=Store(home)), Store(home), read_paper(paper))


def test_a_bundle_has_all_that_verdicts_rest_on_and_a_digest_of_each_file(report, tmp_path):
    made = bundled(tmp_path / "out.zip", *report)
    files = unzipped(tmp_path / "out.zip")
    runs = {name for name in files if name.startswith("runs/")}
    assert (len(runs), made.note.runs, made.without) == (15, 15, ())
    others = {"verdicts.json", "answers.json", "runs.json", "pins.json", "versions.json", "verify.py", "manifest.json"}
    assert set(files) == runs | others | {"paper/paper.toml", "paper/ledger.jsonl"}
    manifest = json.loads(files["manifest.json"])["files"]
    assert manifest == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name != "manifest.json"
    }
    assert made.note.sha256 == hashlib.sha256((tmp_path / "out.zip").read_bytes()).hexdigest()
    assert all(files[name] == Store(report[0]).path(name[5:-5]).read_bytes() for name in runs)


def test_a_bundle_has_the_paper_s_own_tables_and_inputs_and_no_environment_or_report(report, tmp_path):
    _, paper, reports = report
    (paper / "paper.toml").write_text(
        (paper / "paper.toml").read_text() + '\n[measures.m]\nfunction = "mine:f"\ninputs = ["data/*.npy"]\n'
    )
    for name in (
        "published/figures.csv",
        "data/a.npy",
        "data/other.csv",
        "mine.py",
        "env/pyvenv.cfg",
        "env/lib/module.py",
        "out/verdicts.json",
        "sub/.hidden/x.py",
    ):
        (paper / name).parent.mkdir(parents=True, exist_ok=True)
        (paper / name).write_text("x")
    before = set(evidence_of(read_paper(paper), reports))
    assert before >= {"out/verdicts.json", "paper.toml"}
    found = evidence_of(read_paper(paper), paper / "out")
    assert before - set(found) == {"out/verdicts.json"}
    assert set(found) == {"paper.toml", "ledger.jsonl", "published/figures.csv", "data/a.npy", "mine.py"}


def test_the_same_records_give_the_same_bytes(report, tmp_path):
    assert len({bundled(tmp_path / f"{k}.zip", *report).note.sha256 for k in range(2)}) == 1
    assert (tmp_path / "0.zip").read_bytes() == (tmp_path / "1.zip").read_bytes()


def test_runs_whose_results_are_not_here_are_named(report, tmp_path):
    home, paper, reports = report
    first = min(path.stem for path in (home / "runs").rglob("*.json"))
    Store(home).path(first).unlink()
    made = bundled(tmp_path / "out.zip", home, paper, reports)
    assert (made.without, made.note.runs) == ((first,), 14)
    assert f"runs/{first}.json" not in unzipped(tmp_path / "out.zip")


def test_a_damaged_result_stops_the_bundle(report, tmp_path):
    home, paper, reports = report
    records = rebuild(reports, store=Store(home))
    path = next((home / "runs").rglob("*.json"))
    path.write_bytes(path.read_bytes().replace(b'"seconds":2.0', b'"seconds":9.0'))
    with pytest.raises(ClaimsError, match="the entry is damaged"):
        write_bundle(tmp_path / "out.zip", reports, records, Store(home), read_paper(paper))
    assert not (tmp_path / "out.zip").exists()


def test_the_report_names_the_bundle_s_digest_on_every_page(report, tmp_path):
    home, _, reports = report
    note = bundled(tmp_path / "out.zip", *report).note
    save_note(reports, note)
    assert read_note(reports) == note
    rebuild(reports, store=Store(home))
    for name in ("report.html", "summary.md"):
        assert note.sha256 in (reports / name).read_text()


def test_a_damaged_note_is_one_line(tmp_path):
    assert read_note(tmp_path) is None
    save_note(tmp_path, BundleNote(1, "a.zip", "0" * 64, 1, 1))
    path = tmp_path / "bundle.json"
    path.write_text(path.read_text().replace("0" * 64, "0" * 63))
    with pytest.raises(ClaimsError, match=r"bundle\.json: sha256: ") as caught:
        read_note(tmp_path)
    assert "\n" not in str(caught.value)


def test_what_is_no_bundle_is_one_line(tmp_path):
    (tmp_path / "text").write_text("no zip")
    for name in ("text", "gone"):
        with pytest.raises(ClaimsError, match=rf"{name}: expected a bundle"):
            verified(tmp_path / name)


def test_versions_name_what_the_project_depends_on():
    assert {"python", "vit-claims", "torch", "jax", "numpy", "pydantic"} <= installed().keys()
