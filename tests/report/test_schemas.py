"""The shipped schemas are those of the types, and what a report writes is what they say."""

import json

import pytest
from pydantic import TypeAdapter, ValidationError

from harness.report.records import Records
from harness.report.run_records import run_record
from harness.report.schemas import FILES, schema, shipped, text
from harness.report.session_record import session_record
from harness.report.verdict_log import VerdictLog
from harness.report.writing import write_records
from tests.report.run_making import diverged, record
from tests.report.samples import by_both_backends, store


@pytest.mark.parametrize("name", FILES)
def test_a_shipped_schema_is_the_one_of_the_types(name):
    assert shipped(name) == text(name), "run python -m harness.report.schemas"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return a report's folder with all kinds of records."""
    folder = tmp_path_factory.mktemp("report")
    runs = [record(0, origin="night.zip"), run_record(*diverged(1))]
    records = Records(folder, store(), {run.id: run for run in runs})
    records.store.add(by_both_backends().sorted())
    write_records(folder, records)
    history = VerdictLog(folder / "history.jsonl")
    history.append(session_record(store().sorted(), store().answers(), judged=3, seconds=1.5, command="pytest"))
    history.close()
    return folder


PLACES = {
    "verdicts": "verdicts.json",
    "answers": "answers.json",
    "runs": "runs.json",
    "history": "history.jsonl",
    "table-claim": "tables/claim1.json",
    "table-summary": "tables/summary.json",
    "table-answers": "tables/answers.json",
}


@pytest.mark.parametrize("name, place", PLACES.items())
def test_what_a_report_writes_fits_its_type(written, name, place):
    found = TypeAdapter(FILES[name]()).validate_json((written / place).read_text())
    assert found


@pytest.mark.parametrize("name, place", [pair for pair in PLACES.items() if pair[0] != "history"])
def test_another_version_does_not_fit(written, name, place):
    other = (written / place).read_text().replace('"schema_version": 1', '"schema_version": 2')
    with pytest.raises(ValidationError, match="schema_version"):
        TypeAdapter(FILES[name]()).validate_json(other)


def test_the_schemas_name_their_keys_and_forbid_others():
    of_runs = schema("runs")
    run = of_runs["$defs"]["RunRecord"]
    assert of_runs["properties"]["schema_version"] == {"const": 1, "title": "Schema Version", "type": "integer"}
    assert run["additionalProperties"] is False
    assert set(json.loads(json.dumps(run["properties"]))) >= {"id", "predictions_sha256", "origin"}
    assert set(PLACES) == set(FILES)


def test_the_columns_of_a_claim_s_table_are_those_of_the_schema(written):
    rows = json.loads((written / "tables" / "claim1.json").read_text())
    (of,) = schema("table-claim")["$defs"].values()
    plain = {name for name in rows[0] if not name.startswith("side")}
    assert plain == set(of["properties"]) == set(of["required"])
    import re

    patterns = of["patternProperties"]
    assert all(any(re.search(one, name) for one in patterns) for name in set(rows[0]) - plain)
