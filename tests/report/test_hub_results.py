import dataclasses

import yaml

from harness.core.paper import paper
from harness.report.hub_results import write_hub_results
from tests.report.run_making import records, sha
from tests.report.samples import verdict

PAPER = dataclasses.replace(paper(), hub_datasets=(("pics", "someone/pics"), ("more", "someone/more#five")))


def test_a_model_has_a_file_for_each_dataset_with_a_name_on_the_hub(tmp_path):
    runs = records(range(2), lambda seed: range(seed + 1))
    runs |= records([0], lambda seed: (), dataset="more") | records([0], lambda seed: (), dataset="unnamed")
    written, without = write_hub_results(tmp_path, [verdict(source="gpu/paper", runs=tuple(runs))], runs, PAPER)
    assert {path.relative_to(tmp_path).as_posix() for path in written} == {
        "net/.eval_results/pics_gpu-paper.yaml",
        "net/.eval_results/more_gpu-paper.yaml",
    }
    assert without == ["unnamed"]
    (entry,) = yaml.safe_load((tmp_path / "net/.eval_results/pics_gpu-paper.yaml").read_text())
    assert entry["dataset"] == {"id": "someone/pics", "task_id": "default"}
    assert entry["value"] == 99.25
    assert entry["source"]["url"] == PAPER.address
    assert entry["date"] == "2026-03-01"
    assert "mean over 2 seeds; 200 test examples; recipe r (gpu/paper)" in entry["notes"]
    assert sha("net")[:16] in entry["notes"]
    (entry,) = yaml.safe_load((tmp_path / "net/.eval_results/more_gpu-paper.yaml").read_text())
    assert entry["dataset"] == {"id": "someone/more", "task_id": "five"}
