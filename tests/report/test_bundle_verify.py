"""What a bundle's own script finds: run as anyone would, with Python's standard library alone."""

import dataclasses
import hashlib
import json
import subprocess
import sys

import pytest

from harness.core.claim import All, Average, Equivalent, Interaction
from harness.core.errors import ClaimsError
from harness.core.hypotheses import Better, Close, Increasing, terms_of
from harness.core.result import digest_of
from harness.core.source import Source
from harness.judging.agreement import judge_agreement
from harness.judging.judge import family_evidence, judge
from harness.judging.question import AgreementQuestion, Family, Question
from harness.report.bundle import verified
from harness.report.bundle_verify import Check, check_sides, checked, note_families
from harness.report.serialise import to_values
from tests.cli import command
from tests.judging.making import CLAIM, A, B, C, D, asked, better, drawn, measured, runs_side
from tests.report.bundle_making import another_prediction, make_report, rezipped, unzipped


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Return the bundle of a report that the judge reached on made-up runs."""
    folder = tmp_path_factory.mktemp("bundle")
    home, paper, reports = make_report(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIT_CLAIMS_HOME", str(home))
        patch.setenv("VIT_CLAIMS_PAPER", str(paper))
        assert command("bundle", folder / "out.zip", "--report-dir", reports) == 0
    return folder / "out.zip"


def scripted(path, *arguments):
    """Run a bundle's script in a process without any installed package."""
    return subprocess.run(
        [sys.executable, "-I", "-S", str(path), *map(str, arguments)], capture_output=True, text=True, timeout=60
    )


def test_the_script_needs_nothing_but_python_and_computes_the_figures_again(bundle, tmp_path):
    for name, content in unzipped(bundle).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    for done in (scripted(tmp_path / "verify.py"), scripted(tmp_path / "verify.py", bundle)):
        assert done.returncode == 0, done.stdout + done.stderr
        assert "everything agrees" in done.stdout
        for what in (
            "3 lines of the ledger",
            "15 accuracies of runs",
            "3 verdicts as in the ledger",
            "39 runs in evidence",
            "10 accuracies of sides",
            "4 differences",
            "3 standard errors over examples",
            "3 standard errors over seeds",
            "1 answers",
        ):
            assert what in done.stdout, done.stdout


def first_run(files):
    return min(name for name in files if name.startswith("runs/"))


def changed_json(files, name, change):
    values = json.loads(files[name])
    change(values)
    return {**files, name: json.dumps(values).encode()}


def with_prediction(files, of_record=False):
    """Return files in which one prediction, the digest of its entry and maybe its record are changed."""
    name = first_run(files)
    content = another_prediction(files[name], everywhere=True)
    files = {**files, name: content}
    if not of_record:
        return files
    result = json.loads(content)["result"]
    correct = sum(p == y for p, y in zip(result["predictions"], result["labels"], strict=True))

    def change(values):
        (record,) = [record for record in values["runs"] if f"runs/{record['id']}.json" == name]
        record["predictions_sha256"] = digest_of(tuple(result["predictions"]))
        record |= {"correct": correct, "accuracy": 100 * correct / record["n"]}

    return changed_json(files, "runs.json", change)


def verdict_with(field, value, at=0):
    def tampered(files):
        def change(values):
            values["verdicts"][at][field] = value(values["verdicts"][at][field])

        return changed_json(files, "verdicts.json", change)

    return tampered


def of_kind(kind, change):
    def tampered(files):
        def apply(values):
            (one,) = [one for one in values["verdicts"] if one["kind"] == kind]
            change(one)

        return changed_json(files, "verdicts.json", apply)

    return tampered


def ledger_line(number):
    def tampered(files):
        lines = files["paper/ledger.jsonl"].splitlines(keepends=True)
        lines[number] = lines[number].replace(b"2026-03", b"2025-03")
        return {**files, "paper/ledger.jsonl": b"".join(lines)}

    return tampered


def without(files, name):
    return {key: content for key, content in files.items() if key != name}


def up(key, by=0.5):
    def change(one):
        one[key] += by

    return change


TAMPERED = {
    "a prediction": (
        lambda f: {**f, first_run(f): another_prediction(f[first_run(f)])},
        "runs/",
        "its digest was made",
    ),
    "a prediction and its entry's digest": (with_prediction, "runs/", "the predictions are not those of runs.json"),
    "a prediction, its digest and its record": (
        lambda files: with_prediction(files, of_record=True),
        "verdicts.json: claim1, gpu/paper",
        "has other predictions than the verdict rests on",
    ),
    "an accuracy of a run": (
        lambda files: changed_json(files, "runs.json", lambda values: up("accuracy")(values["runs"][0])),
        "runs.json: run ",
        "another accuracy",
    ),
    "a count of a run": (
        lambda files: changed_json(files, "runs.json", lambda values: up("correct", 1)(values["runs"][0])),
        "runs.json: run ",
        "right, found",
    ),
    "an accuracy of a side": (
        of_kind("Better", lambda one: up("accuracy")(one["sides"][1])),
        "verdicts.json: claim1, gpu/paper, A (ImageNet-21k) > B (ImageNet-21k) on pics",
        "expected an accuracy of",
    ),
    "a difference": (of_kind("Better", up("estimate")), "verdicts.json", "expected a difference of"),
    "a difference on average": (of_kind("Average", up("estimate")), "verdicts.json", "expected a difference of"),
    "a part's difference": (
        of_kind("All", lambda one: up("estimate")(one["components"][1])),
        "verdicts.json",
        "on more: expected a difference of",
    ),
    "an interval's input": (
        of_kind("Average", up("se_examples", 0.01)),
        "verdicts.json",
        "expected a standard error over examples of",
    ),
    "an interval's input of a part that decides": (
        of_kind("All", up("se_examples", 0.01)),
        "verdicts.json",
        "expected a standard error over examples of",
    ),
    "an interval's input from seeds": (
        of_kind("Average", up("se_seeds", 0.01)),
        "verdicts.json",
        "expected a standard error over seeds of",
    ),
    "an interval's input from seeds, missing": (
        of_kind("Better", lambda one: one.update(se_seeds=None)),
        "verdicts.json",
        "found None",
    ),
    "an interval's input of a network trained twice": (
        of_kind("Better", up("se_examples", 0.01)),
        "verdicts.json",
        "expected a standard error over examples of",
    ),
    "a verdict": (
        of_kind("Better", lambda one: one.update(verdict="REFUTED")),
        "verdicts.json",
        "REFUTED, but the ledger has REPRODUCED on the same evidence",
    ),
    "an answer": (
        lambda files: changed_json(files, "answers.json", lambda v: v["answers"][0].update(answer="OPEN")),
        "answers.json",
        "other answers",
    ),
    "an answer everywhere": (
        lambda files: changed_json(
            changed_json(files, "answers.json", lambda v: v["answers"][0].update(answer="MIXED")),
            "verdicts.json",
            lambda v: v["answers"][0].update(answer="MIXED"),
        ),
        "verdicts.json: answer of claim1, gpu/paper",
        "expected SUPPORTED, found MIXED",
    ),
    "the ledger's first line": (ledger_line(0), "paper/ledger.jsonl", "line 1 was changed"),
    "the ledger's last line": (ledger_line(-1), "paper/ledger.jsonl", "line 3, the last, was changed"),
    "a ledger cut short": (
        lambda f: {**f, "paper/ledger.jsonl": b"".join(f["paper/ledger.jsonl"].splitlines(keepends=True)[:2])},
        "paper/ledger.jsonl",
        "expected 3 lines, found 2",
    ),
    "a record that is none": (lambda f: {**f, "runs.json": b"{}"}, "check runs", "a record is damaged"),
}


@pytest.mark.parametrize("tamper, place, message", TAMPERED.values(), ids=TAMPERED)
def test_tampering_is_found_and_named_even_with_a_manifest_that_fits(bundle, tamper, place, message):
    files = tamper(unzipped(bundle))
    manifest = json.loads(files["manifest.json"])

    manifest["files"] = {
        name: hashlib.sha256(each).hexdigest() for name, each in files.items() if name != "manifest.json"
    }
    found = checked({**files, "manifest.json": json.dumps(manifest).encode()}).problems
    assert [problem for problem in found if problem.startswith(place) and message in problem], found


@pytest.mark.parametrize("name", ["runs.json", "verdicts.json", "paper/ledger.jsonl", "paper/paper.toml", "verify.py"])
def test_one_changed_byte_of_any_file_is_named(bundle, tmp_path, name):
    files = unzipped(bundle)
    files[name] = files[name].replace(b" ", b"  ", 1)
    path = rezipped(tmp_path / "bad.zip", files, new_manifest=False)
    (tmp_path / "verify.py").write_bytes(unzipped(bundle)["verify.py"])
    done = scripted(tmp_path / "verify.py", path)
    assert done.returncode == 1
    assert f"PROBLEM: {name}: the sha256 is not the one in the manifest" in done.stdout


@pytest.mark.parametrize("damage, message", [
    (lambda whole: whole[: len(whole) // 2], "expected a bundle, whole, found: File is not a zip file"),
    (lambda whole: bytes(byte ^ (255 * (at == whole.index(b"verdicts.json") + 200)) for at, byte in enumerate(whole)),
     "expected a bundle, whole, found: "),
    (lambda whole: b"", "expected a bundle, whole, found: File is not a zip file"),
    (None, "expected a bundle, found no manifest.json in it"),
])  # fmt: skip
def test_a_file_that_is_no_whole_bundle_is_one_problem(bundle, tmp_path, damage, message):
    (tmp_path / "verify.py").write_bytes(unzipped(bundle)["verify.py"])
    path = tmp_path / "bad.zip"
    if damage is None:
        rezipped(path, {"a.txt": b"another zip"}, new_manifest=False)
    else:
        path.write_bytes(damage(bundle.read_bytes()))
    done = scripted(tmp_path / "verify.py", path)
    first, last = done.stdout.splitlines()
    assert first.startswith(f"PROBLEM: {path}: {message}")
    assert (last, done.stderr, done.returncode) == ("1 problem", "", 1)


@pytest.mark.parametrize("manifest, message", [
    (b"{", "expected JSON, found something else"), (b"\xff", "expected JSON, found something else"),
    (b"[]", "expected an object with 'files' and 'ledger', found another JSON value"),
    (b'{"ledger": {}}', "found no object 'files' in it"), (b'{"files": [1], "ledger": {}}', "found no object 'files'"),
    (b'{"files": {}}', "found no object 'ledger' in it"),
])  # fmt: skip
def test_a_manifest_that_is_none_is_one_problem(bundle, tmp_path, manifest, message):
    path = rezipped(tmp_path / "bad.zip", {**unzipped(bundle), "manifest.json": manifest}, new_manifest=False)
    (tmp_path / "verify.py").write_bytes(unzipped(bundle)["verify.py"])
    done = scripted(tmp_path / "verify.py", path)
    digest, problem, last = done.stdout.splitlines()
    assert digest.startswith("sha256 ")
    assert problem.startswith("PROBLEM: manifest.json: ")
    assert message in problem
    assert (last, done.stderr, done.returncode) == ("1 problem", "", 1)
    with pytest.raises(ClaimsError, match="manifest.json: expected") as caught:
        verified(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_is_one_problem_of_each_that_needs_it(bundle):
    files = without(unzipped(bundle), "verdicts.json")
    found = [problem for problem in checked(files).problems if "verdicts.json" in problem]
    assert found == [
        "verdicts.json: listed in the manifest, missing in the bundle",
        "verdicts.json: expected in the bundle, found no such file",
    ]


def test_files_that_are_missing_or_were_added_are_named(bundle):
    files = unzipped(bundle)
    gone = checked(without(files, first_run(files))).problems
    assert f"{first_run(files)}: listed in the manifest, missing in the bundle" in gone
    assert checked({**files, "extra": b""}).problems == ["extra: not listed in the manifest"]


def test_a_bundle_without_predictions_of_a_run_says_so(bundle, tmp_path):
    files = unzipped(bundle)
    path = rezipped(tmp_path / "less.zip", without(files, first_run(files)))
    found = checked(verified(path))
    assert found.problems == []
    assert any("1 of 15 runs are in runs.json without their predictions" in note for note in found.notes)


def scores_of(*sides):
    """Return a check that knows the hits of sides of runs, as if they had been read from a bundle."""
    check = Check({})
    for each in sides:
        for run, network in zip(each.scored, each.upstream or ("net",) * len(each.scored), strict=True):
            check.hits[run.run_id] = list(run.hits)
            check.entries[run.run_id] = {"checkpoint": {"id": network}}
    return check


def sides_of(stated, networks=0, offset=0):
    """Return drawn runs of every side that a hypothesis needs, in the order in which they are gathered."""
    made = {}
    for k, (contender, on) in enumerate(terms_of(stated)):
        upstream = ("n0", "n1", "n0", "n1")[:networks]
        side = runs_side(f"run{k + offset}-", drawn(k + offset, 0.85 - 0.05 * k, n=300), labels=on, upstream=upstream)
        made[contender, on] = dataclasses.replace(side, title=f"{contender} as net{k}")
    return made


STATED = {
    "Better": (better(), 1),
    "Average": (Average((better("d"), better("e"))), 1),
    "Interaction": (Interaction((B, A), (D, C), on="d"), 1),
    "Close": (Close(A, to=81, on="d", within={"q": 5}), 1),
    "Equivalent": (Equivalent(A, B, on="d", within=30), 1),
    "Increasing": (Increasing((C, B, A), on="d"), 2),
    "All": (All((better("d"), better("e"))), 2),
}


@pytest.mark.parametrize("networks", [0, 4], ids=["one network", "two networks a side"])
@pytest.mark.parametrize("stated, differences", STATED.values(), ids=STATED)
def test_every_kind_of_verdict_is_computed_again_and_a_changed_figure_is_found(stated, differences, networks):
    sides = sides_of(stated, networks)
    tolerance = {"tolerance": 5.0} if isinstance(stated, Close) else {}
    found = judge(asked(stated, "gpu/paper"), found=measured(sides, **tolerance))
    verdict = to_values(found)
    check = scores_of(*sides.values())
    note_families(check, [verdict])
    check_sides(check, "here", verdict)
    assert (check.problems, check.notes) == ([], [])
    assert check.counts["accuracies of sides"] == len(sides)
    assert check.counts["differences"] == differences
    assert check.counts["standard errors over examples"] == check.counts["standard errors over seeds"] == 1
    for what in ("examples", "seeds"):
        check_sides(check, "here", verdict | {f"se_{what}": verdict[f"se_{what}"] + 0.001})
        (problem,) = check.problems
        assert f"expected a standard error over {what} of" in problem
        check.problems.clear()
    if differences == 1:
        check_sides(check, "here", verdict | {"estimate": verdict["estimate"] + 0.1})
    else:
        verdict["components"][0]["estimate"] += 0.1
        check_sides(check, "here", verdict)
    assert len(check.problems) == 1
    assert "expected a difference of" in check.problems[0]


def family_of_two():
    """Return the two hypotheses of a family whose seeds are pooled, as judged, with the check that knows their runs."""
    first, second = better(), Better(C, than=D, on="d")
    both = Family("test_f", (first, second))
    found = {}
    for number, hypothesis in enumerate(both.hypotheses):
        found[hypothesis] = measured(sides_of(hypothesis, offset=10 * number))
    evidence = family_evidence(found)
    verdicts = [
        to_values(judge(Question(CLAIM, hypothesis, Source.parse("gpu/paper"), both, ""), evidence))
        for hypothesis in both.hypotheses
    ]
    return verdicts, scores_of(*(side for each in found.values() for side in each.sides.values()))


def test_seed_variance_of_a_family_is_pooled_again_and_one_changed_figure_is_found():
    verdicts, check = family_of_two()
    assert all("seed variance pooled over 4 sides" in verdict["method"] for verdict in verdicts)
    note_families(check, verdicts)
    for verdict in verdicts:
        check_sides(check, "here", verdict)
    assert (check.problems, check.notes) == ([], [])
    assert check.counts["standard errors over seeds"] == 2
    check_sides(check, "here", verdicts[1] | {"se_seeds": verdicts[1]["se_seeds"] + 0.001})
    assert "expected a standard error over seeds of" in check.problems[0]


def test_a_family_that_is_not_whole_is_noted_and_not_called_wrong():
    verdicts, check = family_of_two()
    note_families(check, verdicts[:1])
    check_sides(check, "here", verdicts[0])
    assert check.problems == []
    assert check.notes == ["here: the 4 sides of its family, as they were when it was judged, aren't known"]
    assert "standard errors over seeds" not in check.counts


def test_the_difference_of_two_frameworks_is_computed_again():
    hypothesis = better()
    torch = sides_of(hypothesis)
    jax = {
        term: runs_side(f"{term[0]} on jax", drawn(77 + k, 0.8 - 0.1 * k, n=300), labels="d")
        for k, term in enumerate(torch)
    }
    families = {
        name: family_evidence({hypothesis: measured(sides)}) for name, sides in (("torch", torch), ("jax", jax))
    }
    question = AgreementQuestion(CLAIM, hypothesis, Source.parse("gpu/paper"), 0.5, Family("test_f", (hypothesis,)))
    verdict = to_values(judge_agreement(question, families))
    assert verdict["source"] == "gpu/paper@both"
    check = scores_of(*torch.values(), *jax.values())
    check_sides(check, "here", verdict)
    assert check.problems == []
    check_sides(check, "here", verdict | {"estimate": verdict["estimate"] + 0.1})
    assert "expected a difference between frameworks of" in check.problems[0]


def test_a_verdict_by_other_labels_is_noted_and_not_called_wrong():
    sides = sides_of(better())
    verdict = to_values(judge(asked(better(), "gpu/paper"), found=measured(sides)))
    for side in verdict["sides"]:
        side["n"] = 299
    check = scores_of(*sides.values())
    check_sides(check, "here", verdict)
    assert check.problems == []
    assert check.notes == ["here: scored by labels that are not in the bundle"]
