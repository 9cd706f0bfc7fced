"""The simulated cluster: every run ends once, but for one whose node was lost."""

from bench import scheduling


def test_all_runs_end_and_the_nodes_are_kept_busy(monkeypatch):
    monkeypatch.setattr(scheduling, "NODES", 4)
    rows = {row.name: row for row in scheduling.simulation(60)}
    assert "1 run lost with its node" in rows["60 simulated runs, driver"].note
    # Longest first: of 60 runs on 4 nodes, no node waits for long at the end.
    assert 90 < rows["60 simulated runs, nodes busy"].value <= 101
