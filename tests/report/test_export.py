import json

import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from harness.core.verdict import Side
from harness.report import export
from harness.report.record_files import SCHEMA_VERSION
from harness.report.verdict_store import VerdictStore
from tests.report.samples import DAY_1, DAY_2, NASTY, VIT, by_both_backends, store, verdict


@pytest.fixture
def written(tmp_path):
    export.write(tmp_path, store())
    return tmp_path / "tables"


@pytest.mark.parametrize("name", ["claim1", "claim2"])
def test_the_csv_and_the_json_hold_the_verdicts(written, name):
    expected = [one for one in store().sorted() if one.claim == name]
    from_csv = pd.read_csv(written / f"{name}.csv", keep_default_na=False, na_values=[""])
    from_json = json.loads((written / f"{name}.json").read_text())
    assert len(from_csv) == len(from_json) == len(expected)
    for line, record, one in zip(from_csv.to_dict("records"), from_json, expected, strict=True):
        for field in (
            "hypothesis",
            "source",
            "verdict",
            "reason",
            "estimate",
            "low",
            "high",
            "level",
            "p",
            "published",
        ):
            value = getattr(one, field)
            assert record[field] == value
            assert pd.isna(line[field]) if value is None else line[field] == value
        assert record["citations"] == "; ".join(one.citations)
        assert record["runs"].split() == list(one.runs)
        for number, side in enumerate(one.sides, start=1):
            assert record[f"side{number}_name"] == side.name
            assert record[f"side{number}_accuracy"] == side.accuracy


def test_counts_stay_integers_and_what_is_unknown_stays_empty(written):
    vtab = next(r for r in json.loads((written / "claim1.json").read_text()) if "vtab1k" in r["hypothesis"])
    assert vtab["side1_n"] is None
    assert vtab["side2_low"] is None
    assert vtab["side1_seeds"] == 3
    assert "10000.0" not in (written / "claim1.csv").read_text()
    first = json.loads((written / "claim1.json").read_text())[0]
    assert type(first["side1_n"]) is int
    raw = pd.read_csv(written / "claim1.csv", dtype=str, keep_default_na=False)
    row = raw[raw.hypothesis.str.endswith("vtab1k") & (raw.source == "published")].iloc[0]
    assert (row["side1_n"], row["side1_seeds"], row["side2_low"], row["side2_high"]) == ("", "3", "", "")


def test_a_tiny_p_value_and_odd_text_survive(tmp_path):
    made = VerdictStore()
    odd = f'{NASTY} "quoted", 1,5\nnext line'
    made.add([verdict(p=3e-41, reason=odd)])
    export.write(tmp_path, made)
    assert json.loads((tmp_path / "tables" / "claim1.json").read_text())[0]["p"] == 3e-41
    frame = pd.read_csv(tmp_path / "tables" / "claim1.csv")
    assert frame["p"].item() == 3e-41
    assert frame["reason"].item() == odd


def test_holm_is_adjusted_within_a_claim_and_a_source():
    families = {
        ("claim1", "micro"): [0.04, 0.001, 0.03, 0.03, 0.9],
        ("claim1", "published"): [0.02, 0.5],
        ("claim2", "micro"): [0.04],
    }
    verdicts = [
        verdict(claim=claim, source=source, hypothesis=f"h{k}", p=p)
        for (claim, source), values in families.items()
        for k, p in enumerate(values)
    ]
    unjudged = verdict(source="micro", hypothesis="no p", p=None)
    adjusted = export.holm_adjusted([unjudged, *verdicts[::-1]])
    assert unjudged.key not in adjusted
    for (claim, source), values in families.items():
        expected = multipletests(values, method="holm")[1]
        found = [adjusted[(claim, f"h{k}", source)] for k in range(len(values))]
        assert found == pytest.approx(list(expected), abs=1e-15)


def test_the_table_carries_the_adjusted_p(written):
    frame = pd.read_csv(written / "claim1.csv")
    micro = frame[frame.source == "micro"]
    assert list(micro.p_holm) == pytest.approx(multipletests(micro.p, method="holm")[1])


def test_the_summary_counts_every_verdict_once(written):
    frame = pd.read_csv(written / "summary.csv").set_index(["claim", "source"])
    flat = pd.DataFrame(
        [{"claim": one.claim, "source": one.source, "verdict": one.verdict} for one in store().sorted()]
    )
    expected = pd.crosstab([flat.claim, flat.source], flat.verdict)
    for column in expected:
        assert frame[column.lower().replace(" ", "_")].to_dict() == expected[column].to_dict()
    assert frame.loc[("claim1", "gpu"), "latest"] == DAY_2
    assert frame.loc[("claim1", "micro"), "latest"] == DAY_1


def test_the_answers_are_a_table(written):
    frame = pd.read_csv(written / "answers.csv")
    records = json.loads((written / "answers.json").read_text())
    expected = [(each.claim, each.source, each.answer, each.sentence) for each in store().answers()]
    assert list(frame.itertuples(index=False, name=None)) == [(SCHEMA_VERSION, *row) for row in expected]
    assert [tuple(record.values()) for record in records] == [(SCHEMA_VERSION, *row) for row in expected]
    assert [row[:3] for row in expected][:2] == [("claim1", "published", "OPEN"), ("claim1", "micro", "CONTRADICTED")]


def test_how_sure_a_verdict_is_stands_in_the_table(written):
    frame = pd.read_csv(written / "claim1.csv", keep_default_na=False)
    (row,) = frame[frame.hypothesis.str.endswith("vtab1k") & (frame.source == "micro")].to_dict("records")
    fields = ("smallest_detectable", "se_seeds", "se_examples", "seeds_needed", "permutation_p", "registered", "about")
    assert [str(row[name]).removesuffix(".0") for name in fields] == [
        *("1.75", "0.41", "0.52", "21", "0.0022", "preregistered on 2026-02-01"),
        "micro-vit-m > micro-bit-m on orientation",
    ]


def test_sides_of_different_number_share_a_table(tmp_path):
    made = VerdictStore()
    three = tuple(Side(f"{VIT} {k}", 90 + k, 89 + k, 91 + k, 100, 1) for k in range(3))
    made.add([verdict(), verdict(hypothesis="steps", kind="Increasing", sides=three)])
    export.write(tmp_path, made)
    rows = {r["hypothesis"]: r for r in json.loads((tmp_path / "tables" / "claim1.json").read_text())}
    assert rows["steps"]["side3_accuracy"] == 92
    assert rows[verdict().hypothesis]["side3_accuracy"] is None


def test_a_store_without_verdicts_still_has_tables_with_columns(tmp_path):
    export.write(tmp_path, VerdictStore())
    frame = pd.read_csv(tmp_path / "tables" / "summary.csv")
    assert list(frame)[:5] == ["schema_version", "claim", "source", "reproduced", "refuted"]
    assert len(frame) == 0


def test_backend_and_recipes_are_columns(tmp_path):
    export.write(tmp_path, by_both_backends())
    frame = pd.read_csv(tmp_path / "tables" / "claim1.csv", keep_default_na=False)
    found = list(zip(frame.source, frame.backend, strict=True))
    assert set(found) == {
        *[("published", ""), ("gpu/notebook", "torch"), ("gpu/notebook@jax", "jax")],
        ("gpu/notebook@both", "both"),
    }
    assert frame.recipes.iloc[-1] == "vit-l16-in21k: notebook-vit; bit-m-r152x4: notebook-bit"
    rows = json.loads((tmp_path / "tables" / "claim1.json").read_text())
    assert [row["backend"] for row in rows] == list(frame.backend)


def test_holm_keeps_backends_apart():
    adjusted = export.holm_adjusted(by_both_backends().sorted())
    # Two hypotheses a backend, each with p = 1e-10: the factor is 2, not 6.
    assert {key[2]: value for key, value in adjusted.items() if "gpu" in key[2]} == pytest.approx(
        dict.fromkeys(("gpu/notebook", "gpu/notebook@jax", "gpu/notebook@both"), 2e-10)
    )
