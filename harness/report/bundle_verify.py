"""Check a bundle with Python's standard library alone: `python verify.py BUNDLE.zip`, or in the unpacked folder.

Digests: every file is as the manifest says; each run's entry, its predictions and its labels are as its own digests and
runs.json say; no line of the ledger, the last one too, was changed. Then figures are computed again from the
predictions: each run's accuracy, each side's mean over seeds, the differences that verdicts rest on, and both standard
errors that enter an interval, over test examples and over seeds, of one comparison or pooled over its family. What is
not computed again: the quantiles that make intervals of them, and verdicts on published figures.

The manifest can't vouch for itself: compare the sha256 of the bundle, which is printed, with the one in the report.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

FIRST = "0" * 64
CLOSE = 1e-6
"""Percentage points: sums in another order round differently."""
WORDS = {"AGREES": "REPRODUCED", "DISAGREES": "REFUTED", "OPEN": "INCONCLUSIVE"}
NAMES = {"REPRODUCED": "SUPPORTED", "REFUTED": "CONTRADICTED", "INCONCLUSIVE": "OPEN"}
Record = Mapping[str, Any]


class Check:
    """A bundle's files by name, what was found wrong with them, and how much was checked.

    Args:
        files: contents by path.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.counts: dict[str, int] = {}
        self.hits: dict[str, list[float]] = {}
        """Of each run whether every example was predicted correctly, of a measurement its scores, by id."""
        self.scores: dict[str, str] = {}
        """Of each measurement the first sixteen digits of the digest of its scores, by id."""
        self.entries: dict[str, Any] = {}
        """Of each run what it was, by id."""
        self.families: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
        """Of each family of verdicts the runs of each side."""

    def count(self, what: str, number: int = 1) -> None:
        """Count what was checked."""
        self.counts[what] = self.counts.get(what, 0) + number

    def json(self, name: str) -> Any:
        """Return the values in a JSON file.

        Raises:
            Told: there are none, which is among the problems now.
        """
        try:
            return json.loads(self.files[name])
        except KeyError:
            problem = f"{name}: expected in the bundle, found no such file"
        except ValueError:
            problem = f"{name}: expected JSON, found something else"
        if problem not in self.problems:
            self.problems.append(problem)
        raise Told


class Told(Exception):
    """A step can't go on, and the reason is among the problems."""


UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
"""What a file that is no zip, or one that was cut off or damaged on its way, raises; RuntimeError: an encrypted one."""


def read_bundle(path: Path | str) -> dict[str, bytes]:
    """Return the contents of a bundle's files by name: of a zip, or of the folder that it was unpacked to."""
    path = Path(path)
    if path.is_dir():
        found = [each for each in path.rglob("*") if each.is_file() and "__pycache__" not in each.parts]
        return {each.relative_to(path).as_posix(): each.read_bytes() for each in found}
    with zipfile.ZipFile(path) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist() if not name.endswith("/")}


def checked(files: Mapping[str, bytes]) -> Check:
    """Return the check of a bundle.

    Args:
        files: contents by path.
    """
    check = Check(files)
    if fault := manifest_fault(files):
        check.problems.append(fault)
        return check
    steps: Sequence[Callable[[Check], None]] = (
        check_manifest,
        check_ledger,
        check_runs,
        check_verdicts,
        check_answers,
    )
    for step in steps:
        try:
            step(check)
        except Told:
            continue
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            check.problems.append(f"{step.__name__.replace('_', ' ')}: a record is damaged: {error!r}")
    return check


def sha256(content: bytes) -> str:
    """Return a digest in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def manifest_fault(files: Mapping[str, bytes]) -> str:
    """Return what makes a manifest none, in one line; "" for one by which files can be checked."""
    try:
        values = json.loads(files["manifest.json"])
    except KeyError:
        return "manifest.json: expected in the bundle, found no such file"
    except ValueError:
        return "manifest.json: expected JSON, found something else; copy the bundle again"
    shape = {"files": dict, "ledger": dict} if isinstance(values, dict) else {}
    wrong = [name for name, kind in shape.items() if not isinstance(values.get(name), kind)]
    if not shape or wrong:
        found = f"no object {wrong[0]!r} in it" if wrong else "another JSON value"
        return f"manifest.json: expected an object with 'files' and 'ledger', found {found}; copy the bundle again"
    return ""


def check_manifest(check: Check) -> None:
    """Compare every file with the manifest."""
    listed = check.json("manifest.json")["files"]
    for name in sorted({*listed, *check.files} - {"manifest.json"}):
        if name not in check.files:
            check.problems.append(f"{name}: listed in the manifest, missing in the bundle")
        elif name not in listed:
            check.problems.append(f"{name}: not listed in the manifest")
        elif sha256(check.files[name]) != listed[name]:
            check.problems.append(f"{name}: the sha256 is not the one in the manifest; the file was changed")
        check.count("files")


def check_ledger(check: Check) -> None:
    """Follow the chain of the ledger, and compare its last line with the manifest."""
    if "paper/ledger.jsonl" not in check.files:
        check.notes.append("the paper has no ledger")
        return
    lines = check.files["paper/ledger.jsonl"].splitlines()
    previous = FIRST
    for number, line in enumerate(lines, start=1):
        if json.loads(line)["previous"] != previous:
            check.problems.append(f"paper/ledger.jsonl: line {number - 1} was changed, or one beside it left out")
        previous = sha256(line)
        check.count("lines of the ledger")
    expected = json.loads(check.files["manifest.json"])["ledger"]
    if len(lines) != expected["lines"]:
        check.problems.append(f"paper/ledger.jsonl: expected {expected['lines']} lines, found {len(lines)}")
    elif previous != expected["last"]:
        check.problems.append(f"paper/ledger.jsonl: line {len(lines)}, the last, was changed")


def check_runs(check: Check) -> None:
    """Compare each run's entry with its digest and with its record; compute its accuracy again."""
    records = {record["id"]: record for record in check.json("runs.json")["runs"]}
    for name in sorted(check.files):
        if not re.fullmatch(r"runs/[0-9a-f]{16}\.json", name):
            continue
        entry, run_id = json.loads(check.files[name]), name[5:-5]
        payload = {"result": entry["result"], "run": entry["run"]}
        canonical = json.dumps(payload, sort_keys=True, separators=(",", ":")).encode()
        if sha256(canonical) != entry["sha256"]:
            check.problems.append(f"{name}: the entry is not the one that its digest was made of")
        result = entry["result"]
        if result["run_id"] != run_id:
            check.problems.append(f"{name}: expected run {run_id}, found {result['run_id']}")
        check.entries[run_id] = entry["run"]
        record = records.get(run_id)
        if record is None:
            check.problems.append(f"{name}: no record in runs.json")
            continue
        check_record(check, name, result, record)
    without = sorted(set(records) - set(check.entries))
    if without:
        check.notes.append(f"{len(without)} of {len(records)} runs are in runs.json without their predictions")


def check_record(check: Check, name: str, result: Record, record: Record) -> None:
    """Compare one run's result with its record."""
    if "values" in result:
        check_measurement(check, name, result, record)
        return
    for what in ("predictions", "labels"):
        digest = sha256(",".join(map(str, result[what])).encode())
        if digest != record[f"{what}_sha256"]:
            check.problems.append(f"{name}: the {what} are not those of runs.json")
    if result.get("diverged"):
        return
    hits: list[float] = [p == y for p, y in zip(result["predictions"], result["labels"], strict=True)]
    check.hits[record["id"]] = hits
    if record["correct"] != sum(hits) or record["n"] != len(hits):
        check.problems.append(
            f"runs.json: run {record['id']}: expected {sum(hits)} of {len(hits)} right, found {record['correct']} of"
            f" {record['n']}"
        )
    elif abs(record["accuracy"] - 100 * sum(hits) / len(hits)) > CLOSE:
        check.problems.append(f"runs.json: run {record['id']}: another accuracy than its predictions give")
    check.count("accuracies of runs")


def check_measurement(check: Check, name: str, result: Record, record: Record) -> None:
    """Compare one measurement's scores with its record, and compute their mean again."""
    values = result["values"]
    digest = sha256(",".join(map(repr, map(float, values))).encode())
    if digest != record["predictions_sha256"] or result["examples_sha256"] != record["labels_sha256"]:
        check.problems.append(f"{name}: the scores are not those of runs.json")
    check.hits[record["id"]], check.scores[record["id"]] = values, digest[:16]
    if not near(record["accuracy"], scale_of(record) * sum(values) / len(values)):
        check.problems.append(f"runs.json: run {record['id']}: another mean than its scores give")
    check.count("means of measurements")


def scale_of(record: Record) -> float:
    """Return what a mean score is multiplied by to be shown: fractions are percent, other units as they are."""
    return 100.0 if record.get("unit", "points") == "points" else 1.0


def near(a: float, b: float) -> bool:
    """Return whether two figures agree but for rounding."""
    return abs(a - b) <= CLOSE * max(1.0, abs(a))


def check_verdicts(check: Check) -> None:
    """Compare each verdict with the runs that it rests on, and with the ledger."""
    latest = {}
    for line in check.files.get("paper/ledger.jsonl", b"").splitlines():
        for entry in json.loads(line)["entries"]:
            latest[entry["claim"], entry["hypothesis"], entry["source"]] = entry
    verdicts = check.json("verdicts.json")["verdicts"]
    note_families(check, verdicts)
    for verdict in verdicts:
        where = f"verdicts.json: {verdict['claim']}, {verdict['source']}, {verdict['hypothesis']}"
        entry = latest.get((verdict["claim"], verdict["hypothesis"], verdict["source"]))
        if entry is not None and entry["verdict"]:
            check_against_ledger(check, where, verdict, entry)
        if verdict["runs"] and all(run in check.hits or run in check.entries for run in verdict["runs"]):
            check_evidence(check, where, verdict)
            if verdict["sides"]:
                check_sides(check, where, verdict)


def check_against_ledger(check: Check, where: str, verdict: Record, entry: Record) -> None:
    """Compare a verdict with its latest entry in the ledger: the same evidence gave the same verdict."""
    same = (verdict["digest"], verdict["rule"]) == (entry["digest"], entry["rule"])
    evidence = sha256("\n".join(verdict["evidence"]).encode())[:16]
    if same and evidence == entry["evidence"]:
        check.count("verdicts as in the ledger")
        if verdict["verdict"] != entry["verdict"]:
            check.problems.append(
                f"{where}: {verdict['verdict']}, but the ledger has {entry['verdict']} on the same evidence"
            )
    elif verdict["verdict"] not in ("NOT RUN", "NOT VERIFIABLE"):
        check.notes.append(f"{where}: other evidence, statement or rule than in the ledger")


def check_evidence(check: Check, where: str, verdict: Record) -> None:
    """Compare the digests in a verdict's evidence with the predictions."""
    named = dict(line.split(" ") for line in verdict["evidence"] if re.fullmatch(r"[0-9a-f]{16} [0-9a-z]+", line))
    for run in verdict["runs"]:
        if run in check.hits and run in named and not rescored(check, verdict):
            check.count("runs in evidence")
            found = check.scores.get(run) or sha256(bytes(map(bool, check.hits[run])))[:16]
            if found != named[run]:
                check.problems.append(f"{where}: run {run} has other predictions than the verdict rests on")


def rescored(check: Check, verdict: Record) -> bool:
    """Return whether a verdict scores by other labels than the runs' own (ReaL leaves examples out)."""
    counts = {len(check.hits[run]) for run in verdict["runs"] if run in check.hits}
    # Of numbers without examples a side names no number of them.
    return any(side["n"] not in counts and not (side["n"] is None and counts == {1}) for side in verdict["sides"])


def check_sides(check: Check, where: str, verdict: Record) -> None:
    """Compute the sides' accuracies, the differences and the standard errors over examples again."""
    if rescored(check, verdict):
        check.notes.append(f"{where}: scored by labels that are not in the bundle")
        return
    sides = by_side(check, verdict)
    if not sides:
        check.notes.append(f"{where}: its runs can't be told apart by side")
        return
    for side, of in zip(verdict["sides"], sides, strict=True):
        accuracy = scale_of(verdict) * sum(sum(check.hits[run]) for run in of) / sum(len(check.hits[run]) for run in of)
        check.count("accuracies of sides")
        if not near(accuracy, side["accuracy"]):
            check.problems.append(
                f"{where}: {side['name']}: expected an accuracy of {accuracy:.6f}, found {side['accuracy']:.6f}"
            )
    if verdict["estimate"] is None:
        return
    if verdict["source"].endswith("@both"):
        check_agreement(check, where, verdict, sides)
        return
    if verdict["kind"] in ("Better", "Average", "Interaction", "Equivalent", "Close"):
        check_contrast(check, where, verdict, sides)
    for part in verdict["components"]:
        check_component(check, where, verdict, part, sides)


def by_side(check: Check, verdict: Record) -> list[list[str]]:
    """Return the runs of each side of a verdict; none where they can't be told apart."""
    runs = [run for run in verdict["runs"] if run in check.hits]
    if sum(side["seeds"] for side in verdict["sides"]) != len(runs):
        return []
    sides, at = [], 0
    for side in verdict["sides"]:
        sides.append(runs[at : at + side["seeds"]])
        at += side["seeds"]
    return sides


def family_of(verdict: Record) -> tuple[str, ...]:
    """Return what names the family that a verdict's seed variance is pooled over."""
    alone = (verdict["hypothesis"],) if " in " not in verdict["family"] else ()
    return (verdict["claim"], verdict["source"], verdict["family"], *alone)


def note_families(check: Check, verdicts: Sequence[Record]) -> None:
    """Note the sides of each family, each of them once."""
    for verdict in verdicts:
        if verdict["runs"] and verdict["sides"]:
            sides = check.families.setdefault(family_of(verdict), set())
            sides |= {tuple(side) for side in by_side(check, verdict)}


def check_contrast(check: Check, where: str, verdict: Record, sides: Sequence[list[str]]) -> None:
    """Compute a contrast of sides again, with its standard error over test examples."""
    datasets = len(verdict["dataset"].split(", "))
    weights = {1: (1,), 2: (1, -1), 4: (1, -1, -1, 1)}.get(len(sides) // datasets)
    if weights is None or len(sides) % datasets:
        return
    if turned(verdict):
        weights = tuple(-weight for weight in weights)
    target = (verdict["published"] or 0.0) if verdict["kind"] == "Close" else 0.0
    groups = [sides[k : k + len(weights)] for k in range(0, len(sides), len(weights))]
    tables = [[rows(check, side) for side in group] for group in groups]
    # Not example by example: sides that share no examples need not have equally many.
    value = scale_of(verdict) * sum(contrast(group, weights, datasets) for group in tables) - target
    check.count("differences")
    if not near(value, verdict["estimate"]):
        check.problems.append(f"{where}: expected a difference of {value:+.6f}, found {verdict['estimate']:+.6f}")
    shares = [weight / datasets for weight in weights]
    check_errors(check, where, verdict, [list(zip(shares, group, strict=True)) for group in groups])


def turned(verdict: Record) -> bool:
    """Return whether lower is better and the verdict says which side is, so that its difference is turned."""
    return verdict.get("better", "higher") == "lower" and verdict["kind"] not in ("Close", "Equivalent")


def share_no_examples(verdict: Record) -> bool:
    """Return whether a verdict's sides were scored on examples of their own, which are no pairs."""
    return any(list(each) == ["examples", "not shared", ""] for used in verdict["recipes"] for each in used["settings"])


def check_errors(
    check: Check, where: str, verdict: Record, groups: Sequence[Sequence[tuple[float, list[str]]]]
) -> None:
    """Compute the standard errors over examples and over seeds again.

    Args:
        check: of the bundle.
        where: what the verdict is called.
        verdict: with its standard errors.
        groups: of each dataset the sides, each with its weight in the contrast and its runs.
    """
    if share_no_examples(verdict):
        groups = [[side] for group in groups for side in group]
    tables = [[(weight, rows(check, side)) for weight, side in group] for group in groups]
    if any(len(table) < 2 for group in tables for _, table in group):
        return
    numbers = all(len(table[0]) == 1 for group in tables for _, table in group)
    if verdict["se_examples"] is None and not numbers:
        return
    variance = 0.0
    for group in tables if not numbers else ():
        means = [weighted(weight, table) for weight, table in group]
        values = [sum(column) for column in zip(*means, strict=True)]
        variance += variance_of(values, [table for _, table in group], [weight for weight, _ in group])
    found = {} if numbers else {"examples": variance}
    pooled = re.search(r", seed variance pooled over ([\d,]+) sides", verdict["method"])
    family = [table for side in check.families.get(family_of(verdict), ()) if len(table := rows(check, side)) > 1]
    if pooled is None:
        found["seeds"] = sum(weight**2 * of_seeds(table)[0] / len(table) for group in tables for weight, table in group)
    elif len(family) == int(pooled[1].replace(",", "")) and "; " not in verdict["family"]:
        common = pooled_variance([of_seeds(table) for table in family])
        found["seeds"] = sum(
            weight**2 * (common + of_seeds(table)[1]) / len(table) for group in tables for weight, table in group
        )
    else:
        check.notes.append(
            f"{where}: the {pooled[1]} sides of its family, as they were when it was judged, aren't known"
        )
    for what, each in found.items():
        check.count(f"standard errors over {what}")
        recorded = verdict[f"se_{what}"]
        error = scale_of(verdict) * each**0.5
        if recorded is None or not near(error, recorded):
            check.problems.append(f"{where}: expected a standard error over {what} of {error:.6f}, found {recorded}")


def weighted(weight: float, table: Sequence[Sequence[float]]) -> list[float]:
    """Return the weighted mean over a side's rows for each example."""
    return [weight * sum(column) / len(table) for column in zip(*table, strict=True)]


def of_seeds(table: Sequence[Sequence[float]]) -> tuple[float, float, int]:
    """Return the variance of the rows' means, how much of it is noise of rows and examples together, and rows less one.

    Analysis of variance of rows x examples with one value a cell: MS_S / n and MS_R / n.
    """
    k, n = len(table), len(table[0])
    means = [sum(row) / n for row in table]
    middle = sum(means) / k
    between = sum((mean - middle) ** 2 for mean in means) / (k - 1)
    columns = zip(*table, strict=True)
    within = sum(sum(x * x for x in column) - sum(column) ** 2 / k for column in columns) / (k - 1) / n
    return between, max(within - between, 0.0) / (n - 1) if n > 1 else 0.0, k - 1


def pooled_variance(sides: Sequence[tuple[float, float, int]]) -> float:
    """Return the variance of one seed over infinitely many examples, of all sides of a family together."""
    df = sum(side[2] for side in sides)
    return max(sum(side[2] * (side[0] - side[1]) for side in sides) / df, 0.0)


def check_agreement(check: Check, where: str, verdict: Record, sides: Sequence[list[str]]) -> None:
    """Compute the differences of two frameworks again: the verdict's is that of one of the sides."""
    tables = [rows(check, side) for side in sides]
    means = [100 * sum(map(sum, table)) / sum(map(len, table)) for table in tables]
    half = len(means) // 2
    differences = [a - b for a, b in zip(means[:half], means[half:], strict=False)]
    check.count("differences")
    if not any(abs(each - verdict["estimate"]) <= CLOSE for each in differences):
        found = ", ".join(f"{each:+.6f}" for each in differences)
        check.problems.append(
            f"{where}: expected a difference between frameworks of {found}, found {verdict['estimate']:+.6f}"
        )


def rows(check: Check, side: Sequence[str]) -> list[list[float]]:
    """Return a side's scores, a row each: a run, or where several networks were pre-trained the mean of one's runs."""
    networks: dict[str, list[list[float]]] = {}
    for run in side:
        entry = check.entries[run]
        name = str(entry["contender"]) if "contender" in entry else entry["checkpoint"]["id"]
        networks.setdefault(name, []).append(check.hits[run])
    if len(networks) == 1:
        return [[float(hit) for hit in hits] for hits in networks.popitem()[1]]
    return [[sum(column) / len(of) for column in zip(*of, strict=True)] for of in networks.values()]


def contrast(group: Sequence[list[list[float]]], weights: Sequence[int], datasets: int) -> float:
    """Return the weighted sum of the sides' mean scores, a share of the mean over datasets."""
    means = [sum(map(sum, side)) / sum(map(len, side)) for side in group]
    return sum(weight * mean for weight, mean in zip(weights, means, strict=True)) / datasets


def variance_of(values: Sequence[float], group: Sequence[list[list[float]]], weights: Sequence[float]) -> float:
    """Return the variance of a mean contrast; where scores are 0 and 1, with a few examples added (Agresti and Min)."""
    n, first, second = len(values), sum(values), sum(value * value for value in values)
    if not all(score in (0.0, 1.0) for side in group for row in side for score in row):
        return (second - first * first / n) / (n - 1) / n
    total, squares = sum(weights), sum(weight * weight for weight in weights)
    added = 2 if abs(total) < 1e-9 else 4
    first, second = first + added * total / 2, second + added * (squares + total**2) / 4
    return (second - first**2 / (n + added)) / (n + added) ** 2


def check_component(check: Check, where: str, verdict: Record, part: Record, sides: Sequence[list[str]]) -> None:
    """Compute the difference of one part of a compound hypothesis again, where its two sides can be told by name."""
    found = re.fullmatch(r"(.+) > (.+) on ([^ ,]+)", part["hypothesis"])
    if found is None or part["estimate"] is None:
        return
    several = ", " in verdict["dataset"]
    chosen = []
    for name in found.groups()[:2]:
        fitting = [
            of
            for side, of in zip(verdict["sides"], sides, strict=True)
            if (side["name"] == name or side["name"].startswith((f"{name} as ", f"{name} on ")))
            and (not several or side["name"].endswith(f" on {found[3]}"))
        ]
        chosen += fitting if len(fitting) == 1 else []
    if len(chosen) != 2:
        return
    a, b = (sum(map(sum, scores)) / sum(map(len, scores)) for scores in (rows(check, side) for side in chosen))
    sign = -1.0 if turned(verdict) else 1.0
    difference = sign * scale_of(verdict) * (a - b)
    check.count("differences")
    if not near(difference, part["estimate"]):
        check.problems.append(
            f"{where}: {part['hypothesis']}: expected a difference of {difference:+.6f}, found {part['estimate']:+.6f}"
        )
    if part["estimate"] == verdict["estimate"]:  # the part that decides: the verdict's errors are its own
        check_errors(check, where, verdict, [[(sign, chosen[0]), (-sign, chosen[1])]])


def check_answers(check: Check) -> None:
    """Derive each answer from the verdicts that it names, again."""
    records = check.json("verdicts.json")
    if check.json("answers.json")["answers"] != records["answers"]:
        check.problems.append("answers.json: other answers than in verdicts.json")
    verdicts = {(each["claim"], each["hypothesis"], each["source"]): each for each in records["verdicts"]}
    for answer in records["answers"]:
        says = []
        for hypothesis in answer["hypotheses"]:
            places = (answer["source"], "gpu") if answer["source"].startswith("gpu") else (answer["source"],)
            of = [verdicts[key] for place in places if (key := (answer["claim"], hypothesis, place)) in verdicts]
            name = WORDS.get(of[0]["verdict"], of[0]["verdict"]) if of else "missing"
            says.append("INCONCLUSIVE" if of and of[0]["conditional"] else name)
        mixed = "REPRODUCED" in says and "REFUTED" in says
        expected = "MIXED" if mixed else NAMES.get(says[0], says[0]) if says else "NOT TESTED"
        check.count("answers")
        if answer["answer"] != expected:
            check.problems.append(
                f"verdicts.json: answer of {answer['claim']}, {answer['source']}: expected {expected}, found"
                f" {answer['answer']}"
            )


def main(arguments: Sequence[str]) -> int:
    """Print what was checked and what is wrong; return 1 if something is."""
    path = Path(arguments[0]) if arguments else Path(__file__).parent
    try:
        files = read_bundle(path)
    except UNREADABLE as error:
        return ended([f"{path}: expected a bundle, whole, found: {error}; copy it again"])
    if "manifest.json" not in files:
        return ended([f"{path}: expected a bundle, found no manifest.json in it"])
    check = checked(files)
    if path.is_file():
        print(f"sha256 {sha256(path.read_bytes())}  {path}")
    if check.counts:
        print("checked " + ", ".join(f"{number} {what}" for what, number in check.counts.items()))
    for note in check.notes:
        print(f"note: {note}")
    return ended(check.problems)


def ended(problems: Sequence[str]) -> int:
    """Print what is wrong; return 1 if something is."""
    for problem in problems:
        print(f"PROBLEM: {problem}")
    print(f"{len(problems)} problem{'' if len(problems) == 1 else 's'}" if problems else "everything agrees")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
