"""A report whose verdicts the judge reached on made-up runs, with a paper that has a ledger, and its bundle."""

import hashlib
import json
import zipfile

import numpy as np

from harness.core.claim import All, Average, Claim, Contender, StatementRecord
from harness.core.hypotheses import Better
from harness.core.source import Source
from harness.core.verdict import RecipeUsed
from harness.judging import ledger
from harness.judging.evidence import Evidence, RunsSide
from harness.judging.judge import family_evidence, judge
from harness.judging.question import ALONE, Question
from harness.judging.scoring import scored
from harness.report.verdict_store import VerdictStore, save
from harness.runs.store import Store
from tests.report.run_making import N, made

A, B = (Contender(name, "ImageNet-21k") for name in ("A", "B"))
ON_PICS, ON_MORE = (Better(A, than=B, on=on) for on in ("pics", "more"))
EVERYWHERE = All((ON_PICS, ON_MORE))
ON_AVERAGE = Average((ON_PICS, ON_MORE))
HYPOTHESES = (ON_PICS, EVERYWHERE, ON_AVERAGE)
CLAIM = Claim(
    id="claim1",
    title="A is better",
    quote="A is better than B.",
    source="section 1",
    statements=(StatementRecord(ON_PICS.id, "A is better than B.", "A is better than B on pictures"),),
)


def side(home, contender, on, error, networks=1):
    """Compute nothing: store runs of a contender that are wrong on a share of examples, and return them as a side."""
    runs = []
    for seed in range(3 * networks):
        rng = np.random.default_rng([seed, len(on), int(100 * error)])
        name = f"net-{contender.architecture}-{seed % networks}"
        run, result = made(seed, np.flatnonzero(rng.random(N) < error), checkpoint=name, dataset=on)
        Store(home).put(run, result)
        runs.append((run, scored(result)))
    title = f"{contender} as net-{contender.architecture}"
    names = tuple(run.checkpoint.id for run, _ in runs)
    return RunsSide(title, tuple(each for _, each in runs), RecipeUsed(names[0], "r"), upstream=names)


def make_report(folder):
    """Write a home, a paper and a report whose verdicts are judged from the runs; return the three folders."""
    home, paper, reports = (folder / name for name in ("home", "paper", "reports"))
    sides = {
        (A, "pics"): side(home, A, "pics", 0.05, networks=2),
        (B, "pics"): side(home, B, "pics", 0.30),
        (A, "more"): side(home, A, "more", 0.10),
        (B, "more"): side(home, B, "more", 0.25),
    }
    found = {}
    for hypothesis in HYPOTHESES:
        terms = [term for term in sides if hypothesis is not ON_PICS or term[1] == "pics"]
        found[hypothesis] = Evidence(sides={term: sides[term] for term in terms})
    store = VerdictStore()
    store.add([CLAIM])
    for hypothesis, evidence in found.items():
        question = Question(CLAIM, hypothesis, Source.parse("gpu/paper"), ALONE, "")
        store.add([judge(question, family_evidence({hypothesis: evidence}))])
    save(reports, store)
    paper.mkdir()
    (paper / "paper.toml").write_text('title = "Small"\nidentifier = "small"\n')
    for number, verdict in enumerate(store.sorted()):
        path = paper / ledger.FILE
        content = ledger.appended(path, [entry(verdict)], f"2026-03-0{number + 1}T00:00:00+00:00")
        path.write_bytes(content)
    return home, paper, reports


def entry(verdict):
    """Return a verdict's entry in the ledger, as `harness lock` writes it."""
    evidence = hashlib.sha256("\n".join(verdict.evidence).encode()).hexdigest()[:16]
    fields = (verdict.claim, verdict.hypothesis, verdict.source, verdict.digest, verdict.rule, verdict.verdict)
    return ledger.Entry(*fields, evidence)


def unzipped(path):
    """Return the contents of a zip file by name."""
    with zipfile.ZipFile(path) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist()}


def rezipped(path, files, new_manifest=True):
    """Write a tampered bundle; with `new_manifest` its manifest names the digests of the tampered files."""
    files = dict(files)
    if new_manifest:
        manifest = json.loads(files["manifest.json"])
        others = {name: content for name, content in files.items() if name != "manifest.json"}
        manifest["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in others.items()}
        files["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as bundle:
        for name, content in files.items():
            bundle.writestr(name, content)
    return path


def another_prediction(content, everywhere=False):
    """Return a run's entry with one prediction changed; `everywhere`: and the entry's digest with it."""
    values = json.loads(content)
    values["result"]["predictions"][7] = (values["result"]["predictions"][7] + 1) % 4
    if everywhere:
        payload = {"result": values["result"], "run": values["run"]}
        canonical = json.dumps(payload, sort_keys=True, separators=(",", ":")).encode()
        values["sha256"] = hashlib.sha256(canonical).hexdigest()
    return json.dumps(values, separators=(",", ":")).encode()
