"""A session's micro tier on a cluster of which a node is lost: the verdicts on record, and nothing computed twice."""

import json
import subprocess
import sys
import time

import pytest

from harness.core.paper import using
from harness.runs.executor import Executor
from harness.runs.store import Store
from tests.runs.ray_cluster import NODES, begun, stored
from tests.suite.calling import ROOT


def killed_in_mid_run(cluster, session):
    """Kill the first node that has stored a run and is computing another; return its number."""
    while session.poll() is None:
        for number, home in enumerate(cluster.homes):
            if stored(home) and begun(home) - stored(home):
                cluster.kill(number)
                return number
        time.sleep(0.02)
    raise AssertionError(session.communicate()[0])


@pytest.mark.parametrize(
    "claims", ["examples/bars", pytest.param("claims", marks=pytest.mark.slow)], ids=["an example", "the ViT paper"]
)
def test_a_session_over_a_cluster_that_loses_a_node_gives_the_verdicts_on_record(cluster, tmp_path, claims):
    earlier = {number: stored(home) for number, home in enumerate(cluster.homes)}
    asked = {"-m": "micro", "--executor": "ray", "--ray-address": cluster.address, "--store": tmp_path / "shared"}
    asked |= {"--home": tmp_path / "driver", "--report-dir": tmp_path / "report", "-p": "no:cacheprovider"}
    session = subprocess.Popen(
        [sys.executable, "-m", "pytest", claims, "-q", *(str(each) for pair in asked.items() for each in pair)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    victim = killed_in_mid_run(cluster, session)
    said, _ = session.communicate()
    cluster.complete()
    assert session.returncode == 0, said  # a verdict that is not the one on record fails
    verdicts = json.loads((tmp_path / "report" / "verdicts.json").read_text())["verdicts"]
    assert {each["source"] for each in verdicts} == {"micro"}
    # What was stored before the node was lost stays; of the others none is computed twice.
    shared = {path.stem for path in (tmp_path / "shared").glob("runs/*/*.json")}
    computed = [stored(home) - earlier[number] for number, home in enumerate(cluster.homes)]
    assert shared == stored(tmp_path / "driver") == set().union(*computed)
    assert len(shared) == sum(len(each) for each in computed)
    assert sum(map(bool, computed)) == NODES
    assert computed[victim]
    assert "its worker process on the cluster ended" in said
    # One process gives the same predictions.
    runs = [Store(tmp_path / "driver").load(each) for each in sorted(shared)[:2]]
    with using(ROOT / claims):
        alone = Executor(Store(tmp_path / "alone"), 0).results([run for run, _ in runs])
    for (_, result), by_itself in zip(runs, alone, strict=True):
        assert result.predictions == by_itself.predictions
