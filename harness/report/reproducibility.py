"""The report of a reproducibility challenge, as far as the records can fill it; what they can't say is marked.

Its sections are those of the ML Reproducibility Challenge's template: a summary, scope, methodology, results, and a
discussion of what was easy and what was difficult.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence

from harness.core.paper import Paper
from harness.core.source import Source
from harness.core.verdict import Verdict
from harness.report.job_summary import escaped, listed, table, verdict_table
from harness.report.labels import GROUP_NOTES, GROUPS, plural
from harness.report.records import Records, origins
from harness.report.run_records import RunRecord

MOST_REASONS = 12
"""Reasons of one kind that are listed; more are counted."""


def gap(what: str) -> str:
    """Return a mark for the author: what the records can't say."""
    return f"**[TO BE WRITTEN BY THE AUTHOR: {what}]**"


def reproducibility(records: Records, paper: Paper) -> str:
    """Return the report in Markdown.

    Args:
        records: of the verification.
        paper: whose claims they are.
    """
    address = f" ([{paper.identifier}]({paper.address}))" if paper.address else f" ({paper.identifier})"
    parts = [
        f"# [Re] {escaped(paper.title)}",
        f"A report on the reproducibility of {escaped(paper.title)}{address}. Tables and figures are filled from the"
        f" records of the verification; passages in bold capitals are left to the author.",
        *summary(records),
        *scope(records),
        *methodology(records),
        *results(records),
        *discussion(records),
    ]
    return "\n\n".join(parts) + "\n"


def summary(records: Records) -> list[str]:
    """Return the summary on one page."""
    answers = records.store.answers()
    counts = Counter(each.answer for each in answers)
    said = ", ".join(f"{number} {name}" for name, number in counts.items())
    return [
        "## Reproducibility summary",
        f"**Scope.** {plural(len(records.store.claims), 'claim')} of the paper, each answered by the sources of"
        f" evidence that bear on it: {said or 'no answer yet'}.",
        f"**Methodology.** {sources_used(records)}",
        f"**Results.** {gap('the main result in two sentences; section 4 has the answers')}",
        f"**What was easy.** {gap('one sentence')}",
        f"**What was difficult.** {gap('one sentence; section 5.2 has what the records show')}",
        f"**Communication with the authors.** {gap('whether there was any')}",
    ]


def sources_used(records: Records) -> str:
    """Return what the verdicts rest on, in a sentence."""
    counts = Counter(Source.parse(verdict.source).kind for verdict in judged(records))
    parts = [f"{GROUPS.get(kind, kind).lower()} ({plural(number, 'verdict')})" for kind, number in counts.items()]
    runs = f"; {plural(len(records.runs), 'run')} computed" if records.runs else ""
    return f"Judged by {', '.join(parts)}{runs}." if parts else "Nothing was judged yet."


def judged(records: Records) -> list[Verdict]:
    """Return the verdicts that rest on evidence."""
    return [each for each in records.store.sorted() if each.verdict not in ("NOT RUN", "NOT VERIFIABLE")]


def scope(records: Records) -> list[str]:
    """Return the claims: the quoted sentence, what it comes down to, what of it can't be verified."""
    parts = ["## 1 Introduction", gap("the paper's idea and why its claims matter"), "## 2 Scope of reproducibility"]
    for name in records.store.claim_ids():
        claim = records.store.claims.get(name)
        if claim is None:
            continue
        parts.append(f"### {escaped(claim.title)}")
        parts.append(f"> {escaped(claim.quote)}\n>\n> {escaped(claim.source)}")
        if claim.statements:
            said = (f"{each.says}{f' ({each.material})' if each.material else ''}" for each in claim.statements)
            parts.append("Tested as:\n\n" + listed(map(escaped, said)))
        if claim.not_verifiable:
            lines = (f"{what}: {why}" for what, why in claim.not_verifiable)
            parts.append("Not verifiable:\n\n" + listed(map(escaped, lines)))
    return parts


def methodology(records: Records) -> list[str]:
    """Return models, datasets, hyperparameters with deviations from the paper, set-up and compute."""
    kinds = dict.fromkeys(Source.parse(verdict.source).kind for verdict in judged(records))
    notes = [f"**{GROUPS.get(kind, kind)}.** {GROUP_NOTES.get(kind, '')}" for kind in kinds]
    runs = list(records.runs.values())
    return [
        "## 3 Methodology",
        *(notes or [gap("what was done; the records hold no verdict")]),
        "### 3.1 Models",
        models(runs),
        "### 3.2 Datasets",
        datasets(runs),
        "### 3.3 Hyperparameters and deviations from the paper",
        *deviations(records),
        "### 3.4 Experimental set-up and code",
        *setup(records),
        "### 3.5 Compute used",
        *compute(records),
    ]


def models(runs: Sequence[RunRecord]) -> str:
    """Return the checkpoints that runs started from."""
    found = {run.checkpoint: run for run in runs}
    if not found:
        return gap("models; no run is on record")
    rows = [
        (name, run.architecture, run.pretrained_on, run.checkpoint_sha256[:16]) for name, run in sorted(found.items())
    ]
    return table(("checkpoint", "architecture", "pre-trained on", "sha256 (first 16 digits)"), rows)


def datasets(runs: Sequence[RunRecord]) -> str:
    """Return the datasets that runs were scored on."""
    found = {run.dataset: run for run in runs if run.split == "test"}
    if not found:
        return gap("datasets; no run is on record")
    rows = [(name, f"{run.n:,}", run.dataset_sha256[:16]) for name, run in sorted(found.items())]
    return table(("dataset", "test examples", "sha256 (first 16 digits)"), rows)


def deviations(records: Records) -> list[str]:
    """Return each recipe with the settings that differ from the paper's, and how learning rates were chosen."""
    recipes: dict[str, dict[tuple[str, str, str], set[str]]] = {}
    for verdict in judged(records):
        for used in (each for each in verdict.recipes if each.settings):
            differing = recipes.setdefault(used.recipe, {})
            for setting in used.settings:
                if setting[2]:
                    differing.setdefault(setting, set()).add(used.checkpoint)
    if not recipes:
        return [gap("hyperparameters; no recipe is on record")]
    parts = []
    for name, differing in sorted(recipes.items()):
        of = {used.checkpoint for verdict in judged(records) for used in verdict.recipes if used.recipe == name}
        rows = [
            (field.replace("_", " "), value, papers, "all" if checkpoints == of else ", ".join(sorted(checkpoints)))
            for (field, value, papers), checkpoints in sorted(differing.items())
        ]
        head = f"Recipe `{name}`"
        shown = table(("setting", "here", "paper", "checkpoints"), rows) if rows else ""
        parts.append(f"{head} differs from the paper's in:\n\n{shown}" if rows else f"{head}: as the paper's.")
    searched = {(each.checkpoint, each.learning_rate) for verdict in judged(records) for each in verdict.searched}
    if searched:
        parts.append(
            f"Learning rates were chosen on the dev split: {plural(len(searched), 'rate')} tried for"
            f" {plural(len({checkpoint for checkpoint, _ in searched}), 'checkpoint')}."
        )
    return [*parts, gap("why the settings differ")]


def setup(records: Records) -> list[str]:
    """Return what the runs were computed with, and where they were made."""
    found: dict[tuple[str, str], set[str]] = {}
    for run in records.runs.values():
        for name, value in run.environment:
            found.setdefault((run.backend, name), set()).add(value)
    if not found:
        return [gap("set-up; no run is on record")]
    rows = [(backend, name, ", ".join(sorted(values))) for (backend, name), values in sorted(found.items())]
    made = origins(records.runs)
    return [
        table(("backend", "what", "version"), rows),
        *([listed(map(escaped, made))] if made else []),
        f"Code: {gap('address of the repository and commit')}",
    ]


def compute(records: Records) -> list[str]:
    """Return the time and memory that the runs took."""
    by_device: dict[tuple[str, str], list[RunRecord]] = {}
    for run in records.runs.values():
        by_device.setdefault((run.backend, dict(run.environment).get("device", "unknown")), []).append(run)
    if not by_device:
        return [gap("compute; no run is on record")]
    rows = [
        (
            f"{device}, {backend}",
            str(len(runs)),
            f"{sum(run.seconds for run in runs) / 3600:.2f}",
            f"{statistics.median(run.seconds for run in runs):,.1f}",
            f"{max(run.device_memory or run.peak_memory for run in runs) / 2**30:.2f}",
        )
        for (backend, device), runs in sorted(by_device.items())
    ]
    heads = ("device", "runs", "hours in all", "seconds of a run (median)", "largest memory, GiB")
    return [table(heads, rows), gap("compute that is not on record, e.g. pre-training and failed attempts")]


def results(records: Records) -> list[str]:
    """Return the answers, claim by claim, and how the verdicts came out."""
    parts = ["## 4 Results"]
    by_claim: dict[str, list[str]] = {}
    for each in records.store.answers():
        by_claim.setdefault(each.claim, []).append(f"**{each.answer}** ({each.source}): {escaped(each.sentence)}")
    for name, lines in by_claim.items():
        parts += [f"### {escaped(records.store.claims[name].title)}", listed(lines)]
    parts += ["### All verdicts", verdict_table(records.store), "### Results beyond the paper", gap("if there are any")]
    return parts


def discussion(records: Records) -> list[str]:
    """Return what the records show of difficulties; what was easy is the author's to say."""
    diverged = [run for run in records.runs.values() if run.diverged]
    shown = [
        *reasons(records, "NOT VERIFIABLE", "not verifiable"),
        *reasons(records, "NOT RUN", "not run here"),
    ]
    if diverged:
        shown.append(f"{plural(len(diverged), 'run')} diverged, e.g. {diverged[0].checkpoint}: {diverged[0].diverged}")
    caveats = Counter(verdict.conditional for verdict in judged(records) if verdict.conditional)
    for what, number in caveats.items():
        shown.append(f"{plural(number, 'verdict')} on less than a replication: {what}")
    return [
        "## 5 Discussion",
        gap("what the results mean for the paper's claims"),
        "### 5.1 What was easy",
        gap("what was easy"),
        "### 5.2 What was difficult",
        listed(map(escaped, shown)) if shown else "The records show no difficulty.",
        gap("what was difficult besides"),
        "### 5.3 Communication with the authors",
        gap("whether there was any, and what came of it"),
    ]


def reasons(records: Records, name: str, words: str) -> Iterable[str]:
    """Yield why hypotheses have no verdict of their own, the most frequent reason first."""
    counts = Counter(verdict.reason for verdict in records.store.sorted() if verdict.verdict == name)
    for reason, number in counts.most_common(MOST_REASONS):
        yield f"{plural(number, 'comparison')} {words}: {reason}"
    if len(counts) > MOST_REASONS:
        yield f"{plural(len(counts) - MOST_REASONS, 'more reason')} for comparisons that are {words}"
