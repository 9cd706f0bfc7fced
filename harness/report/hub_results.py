""".eval_results/: a model's accuracies in the form that the Hugging Face hub reads from a model's repository."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.core.paper import Paper
from harness.core.paths import write_atomic
from harness.core.verdict import Verdict
from harness.report.model_files import ModelAccuracies, model_accuracies
from harness.report.run_records import RunRecord

FOLDER = ".eval_results"


def write_hub_results(
    folder: Path, verdicts: Iterable[Verdict], runs: Mapping[str, RunRecord], paper: Paper
) -> tuple[list[Path], list[str]]:
    """Write CHECKPOINT/.eval_results/DATASET.yaml for each model and dataset that has a name on the hub.

    What is compared there are the numbers of one model, so each source of evidence has a file of its own, which says in
    its notes how the model was fine-tuned.

    Args:
        folder: where each model gets a folder, to be copied into its repository.
        verdicts: of the report.
        runs: its runs by id.
        paper: says what its datasets are called on the hub.

    Returns:
        The files, and the datasets that have no name on the hub.

    Raises:
        ClaimsError: a file can't be written.
    """
    import yaml

    names = dict(paper.hub_datasets)
    written, without = [], set()
    for model in model_accuracies(verdicts, runs):
        for on in model.runs:
            if on not in names:
                without.add(on)
                continue
            source = model.source.replace("/", "-").replace("@", "-")
            path = folder / model.checkpoint / FOLDER / f"{on}_{source}.yaml"
            write_atomic(path, yaml.safe_dump(entries(model, on, names[on], paper), sort_keys=False).encode())
            written.append(path)
    return written, sorted(without)


def entries(model: ModelAccuracies, on: str, name: str, paper: Paper) -> list[dict[str, object]]:
    """Return the one entry of a file.

    Args:
        model: its runs.
        on: the dataset.
        name: what the dataset is called on the hub, OWNER/NAME, or OWNER/NAME#TASK where it has several tasks.
        paper: whose claims it was measured for.
    """
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    runs = model.runs[on]
    dataset, _, task = name.partition("#")
    seeds = f"{len(runs)} seed{'s' * (len(runs) > 1)}"
    entry = EvalResultEntry(
        dataset_id=dataset,
        task_id=task or "default",
        value=round(model.accuracies[on], 4),
        date=max(run.computed for run in runs)[:10] or None,
        source_url=paper.address or None,
        source_name=f"claims of {paper.title}" if paper.address else None,
        notes=f"top-1 accuracy in percent, mean over {seeds}; {runs[0].n:,} test examples; recipe {runs[0].recipe}"
        f" ({model.source}); weights sha256 {runs[0].checkpoint_sha256[:16]}",
    )
    return list(eval_result_entries_to_yaml([entry]))
