"""A paper's folder to begin with passes at once, and `check` says what a folder lacks before anything runs."""

import json

import pytest

from harness.__main__ import main
from tests.suite.calling import LOAD, call, verdicts


def test_a_new_folder_s_tests_pass_at_once(tmp_path, capsys):
    folder = tmp_path / "my paper"
    assert main(["new", str(folder), "--title", '𝔸: on "sorting"', "--from", "arXiv:2010.11929"]) == 0
    done = call(tmp_path, *LOAD, folder, "--report-dir", tmp_path / "r", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(verdicts(tmp_path / "r").values()) == {"REPRODUCED"}
    assert json.loads((tmp_path / "r" / "verdicts.json").read_text())["answers"][0]["claim"] == "my_paper_claim1"
    capsys.readouterr()
    assert main(["check", str(folder)]) == 0
    said = capsys.readouterr().out
    assert '𝔸: on "sorting"' in said
    assert "missing" not in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["new", "{}"], "expected a new folder, or an empty one, found files in it"),
        (
            ["new", "{}/x", "--from", "Attention"],
            "--from: expected an arXiv number, e.g. 2010.11929, found 'Attention'",
        ),
        (["check", "{}"], "expected a folder with a paper.toml, found none"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path, capsys, arguments, said):
    (tmp_path / "there").write_text("")
    assert main([each.format(tmp_path) for each in arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_check_says_all_that_is_wrong_and_goes_on(tmp_path, capsys):
    (tmp_path / "paper.toml").write_text(
        '[test_examples]\nd = 1000\n[measures.good]\nfunction = "mine:number"\n'
        '[measures.bad]\nfunction = "mine:nmuber"\ninputs = ["*.npz"]\n'
    )
    (tmp_path / "mine.py").write_text("def number(contender, dataset, seed): return 1.0\n")
    (tmp_path / "datasets.toml").write_text('[d]\nreader = "npz"\npath = "d.npz"\n')
    (tmp_path / "checkpoints.toml").write_text(
        '[net]\narchitecture = "n"\npretrained_on = "-"\nmodel = "mine:nett"\nfile = "w.npz"\n'
    )
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "figures.csv").write_text(
        "contender,dataset,value,citation\nA,d,85.13,https://example.org\n"
    )
    claim = (
        "from harness.core.claim import Better, Claim, Contender\n"
        'CLAIM = Claim(id="c", title="t", quote="q", source="s", measure="{}")\n'
        '@CLAIM.hypotheses([Better(Contender("A"), than=Contender("B"), on="d")])\n'
        "def test(hypothesis, judge):\n    judge(hypothesis)\n"
    )
    (tmp_path / "test_good.py").write_text(claim.format("good"))
    (tmp_path / "test_odd.py").write_text(claim.format("goood").replace('id="c"', 'id="e"'))
    (tmp_path / "test_worse.py").write_text("import nothing_of_that_name\n")
    (tmp_path / "test_wrong.py").write_text(claim.format("good").replace('on="d"', 'onn="d"'))
    assert main(["check", str(tmp_path)]) == 1
    lines = [line.split(None, 3) for line in capsys.readouterr().out.splitlines()]
    said = "\n".join(" ".join(line) for line in lines)
    for part in (
        "measure good ok mine:number",
        "measure bad missing paper.toml: measures.bad: mine: unknown function 'nmuber' (did you mean 'number'?)",
        "published/figures.csv missing 1 figures, 1 of them impossible; A on d, 85.13: not possible with 1,000",
        "net missing net: expected its weights in",
        "d missing d: expected it in",
        "c, measured ok 1 hypotheses",
        "unknown measure 'goood' (did you mean 'good'?)",
        "test_worse.py: test_worse: ModuleNotFoundError: No module named 'nothing_of_that_name', at test_worse.py:1",
        "'onn'",
        "at test_wrong.py:3",
    ):
        assert part in said, part
