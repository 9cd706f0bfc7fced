import json

import pytest

from harness.core.errors import ClaimsError
from harness.core.paper import read_paper
from harness.report.bundle import write_bundle
from harness.report.bundle_import import import_runs
from harness.report.rebuilding import rebuild
from harness.report.run_records import gathered
from harness.runs.imports import origin_of
from harness.runs.store import Store
from tests.report.bundle_making import another_prediction, make_report, rezipped, unzipped


@pytest.fixture(autouse=True)
def own_pins(tmp_path, monkeypatch):
    """What is pinned on this machine has no part in a test."""
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path / "pins"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere")
    home, paper, reports = make_report(folder)
    write_bundle(folder / "night.zip", reports, rebuild(reports, store=Store(home)), Store(home), read_paper(paper))
    return folder / "night.zip"


def test_imported_runs_are_stored_and_say_where_they_come_from(bundle, tmp_path):
    store = Store(tmp_path)
    found = import_runs(bundle, store)
    assert (len(found.new), found.known, found.kept, found.other_version) == (15, (), (), ())
    assert found.origin.startswith("night.zip (sha256 ")
    for run_id in found.new:
        run, result = store.load(run_id)
        assert run.id == run_id
        assert origin_of(tmp_path, result) == found.origin
    again = import_runs(bundle, store)
    assert (again.new, len(again.known)) == ((), 15)


def test_a_run_that_was_computed_here_stays_and_is_not_called_imported(bundle, tmp_path):
    store = Store(tmp_path)
    files = unzipped(bundle)
    mine, other = sorted(name for name in files if name.startswith("runs/"))[:2]
    for name, content in ((mine, files[mine]), (other, another_prediction(files[other], everywhere=True))):
        path = store.path(name[5:-5])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    before = store.path(other[5:-5]).read_bytes()
    found = import_runs(bundle, store)
    assert (found.known, found.kept) == ((mine[5:-5],), (other[5:-5],))
    assert store.path(other[5:-5]).read_bytes() == before
    assert [origin_of(tmp_path, store.load(name[5:-5])[1]) for name in (mine, other)] == ["", ""]


def test_what_was_imported_before_it_was_bundled_names_both_places(bundle, tmp_path):
    """A run goes from one machine to a second, and in the second's bundle to a third."""
    second = tmp_path / "second"
    home, paper, reports = make_report(second)
    for path in (home / "runs").rglob("*.json"):
        path.unlink()
    first = import_runs(bundle, Store(home))
    write_bundle(second / "b.zip", reports, rebuild(reports, store=Store(home)), Store(home), read_paper(paper))
    assert "15 of 15 runs were made elsewhere, imported from night.zip" in (reports / "summary.md").read_text()
    third = Store(tmp_path / "third")
    found = import_runs(second / "b.zip", third)
    assert origin_of(third.home, third.load(found.new[0])[1]) == f"{found.origin}, there from {first.origin}"


def test_a_tampered_bundle_is_refused_whole(bundle, tmp_path):
    files = unzipped(bundle)
    name = max(name for name in files if name.startswith("runs/"))
    bad = rezipped(tmp_path / "bad.zip", {**files, name: another_prediction(files[name], everywhere=True)})
    with pytest.raises(ClaimsError, match=rf"bad\.zip: expected a bundle whose parts agree, found: {name}: "):
        import_runs(bad, Store(tmp_path / "home"))
    assert not (tmp_path / "home").exists()


def test_a_damaged_note_still_says_that_the_run_was_made_elsewhere(bundle, tmp_path):
    found = import_runs(bundle, Store(tmp_path))
    (tmp_path / "imported" / f"{found.new[0]}.json").write_text("{")
    assert origin_of(tmp_path, Store(tmp_path).load(found.new[0])[1]).startswith("elsewhere")
    verdicts = json.loads(unzipped(bundle)["verdicts.json"])["verdicts"]
    assert {run for one in verdicts for run in one["runs"]} == set(found.new)
    assert gathered([], Store(tmp_path), {}) == ({}, [])
