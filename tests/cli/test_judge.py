"""`judge` and `export-scores` as a user calls them: files, batches, and one line for each bad input."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.__main__ import main
from harness.stats.predictions import judge_scores

ROOT = Path(__file__).parents[2]
RNG = np.random.default_rng(5)
A = RNG.random((3, 200)) < 0.9
B = RNG.random((4, 200)) < 0.8


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path / "home"))
    np.savez(tmp_path / "A.npz", scores=A)
    np.savez(tmp_path / "B.npz", scores=B.astype(np.float32))
    return tmp_path


def judge(capsys, *arguments):
    code = main(["judge", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def as_csv(scores, rows=lambda rows: rows, header="seed,example,score"):
    lines = [f"{seed},{example},{float(s):g}" for seed, row in enumerate(scores) for example, s in enumerate(row)]
    return "\n".join([header, *rows(lines)]) + "\n"


def test_json_is_the_record_of_the_function(files, capsys):
    code, out, _ = judge(capsys, "A.npz", "B.npz", "--json", "--margin", "0.3")
    assert code == 0
    assert json.loads(out) == json.loads(json.dumps(judge_scores(A, B, margin=0.3).record()))
    assert {"estimate", "low", "high", "level", "p", "method", "smallest_detectable"} <= json.loads(out).keys()
    assert {"seeds", "examples"} <= json.loads(out)["standard_errors"].keys()


def test_text_says_the_same(files, capsys):
    code, out, _ = judge(capsys, "A.npz", "B.npz", "--margin", "0.3", "--level", "0.9")
    found = judge_scores(A, B, 0.3, 0.9)
    assert code == 0
    assert f"A.npz minus B.npz: {found.crossed.value:+.6g}, 90 % interval" in out
    assert "within 0.3: equivalent (80 % interval" in out
    assert "new seeds, these examples" in out
    assert "smallest difference found with 80 % power" in out


def test_a_level_close_to_one_keeps_its_digits(files, capsys):
    _, out, _ = judge(capsys, "A.npz", "B.npz", "--margin", "0.3", "--level", "0.999999999")
    assert "99.9999999 % interval" in out
    assert "(99.9999998 % interval" in out
    assert "100 %" not in out


@pytest.mark.parametrize(
    "text",
    [
        as_csv(A),
        as_csv(A, rows=lambda rows: rows[::-1]),
        "\ufeff" + as_csv(A).replace("\n", "\r\n"),
        as_csv(A).replace("\n", "\n\n").replace("1\n", "1.0\n"),
        "\n".join(
            ["score,note,example,seed"]
            + [f"{bool(s)},x,{example},{seed}" for seed, row in enumerate(A) for example, s in enumerate(row)]
        ),
    ],
    ids=["plain", "any order of rows", "byte order mark and CRLF", "blank lines", "any columns and words"],
)
def test_csv_is_read_as_the_same_scores(files, capsys, text):
    (files / "A.csv").write_bytes(text.encode())
    _, one, _ = judge(capsys, "A.csv", "B.npz", "--json")
    _, other, _ = judge(capsys, "A.npz", "B.npz", "--json")
    assert json.loads(one) == json.loads(other)


def test_csv_files_are_paired_by_the_names_of_examples(files, capsys):
    order = RNG.permutation(200)
    for name, scores, columns in (("A", A, range(200)), ("B", B, order)):
        rows = [f"{seed},img-{i:03d}.png,{int(scores[seed, i])}" for seed in range(len(scores)) for i in columns]
        (files / f"{name}.csv").write_text("\n".join(["seed,example,score", *rows]))
    _, one, _ = judge(capsys, "A.csv", "B.csv", "--json")
    _, other, _ = judge(capsys, "A.npz", "B.npz", "--json")
    assert json.loads(one) == json.loads(other)
    code, _, err = judge(capsys, "A.csv", "B.npz")
    assert code == 2
    assert "examples by number" in err


BAD = {
    "missing": (None, "no such file"),
    "empty": (b"", "found: an empty file"),
    "no columns": (b"a,b\n1,2\n", "columns seed, example, score, found: a,b"),
    "semicolons": (b"seed;example;score\n0;0;1\n", "found: seed;example;score"),
    "only a header": (b"seed,example,score\n", "no rows below the header"),
    "a word": (b"seed,example,score\n0,0,yes\n", "line 2: expected a score, a number, found 'yes'"),
    "NaN": (b"seed,example,score\n0,0,1\n0,1,nan\n", "line 3: expected a finite score"),
    "empty cell": (b"seed,example,score\n0,,1\n", "line 2: expected a seed and an example"),
    "short row": (b"seed,example,score\n0,1\n", "line 2: expected 3 cells or more, found 2"),
    "duplicate": (b"seed,example,score\n0,0,1\n0,0,1\n", "line 3: expected one score for each"),
    "a gap": (b"seed,example,score\n0,0,1\n0,1,1\n1,1,1\n", "seed '1', example '0' has none"),
    "not text": (b"\xff\xfe\x00\x01", "found neither"),
    "a quote": (b'seed,example,score\n0,"0,1\n', "expected CSV"),
    "truncated npz": (b"PK\x03\x04 nothing", "expected a whole npz file"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_line(files, capsys, name):
    content, words = BAD[name]
    if content is not None:
        (files / "X").write_bytes(content)
    code, out, err = judge(capsys, "X", "B.npz", "--json")
    assert (code, out) == (2, "")
    assert words in err
    assert err.startswith("harness judge: X")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arrays, words",
    [
        ({"score": A}, "expected the array `scores`, found: score"),
        ({"scores": np.array([[1, "x"]])}, "expected 0/1, bool or real numbers"),
        ({"scores": np.array([[1, None]], dtype=object)}, "without pickles"),
        ({"scores": A[0]}, "expected the shape (seeds, examples), found (200,); one run is (1, 200)"),
        ({"scores": np.where(A, np.nan, 1.0)}, "expected finite scores"),
        ({"scores": np.where(A, -1e200, 1.0)}, "expected scores up to 1e+100 in size, found 1e+200"),
        ({"scores": A[:, :0]}, "at least one seed and one example"),
        ({"scores": A[:, :7]}, "found 7 in X.npz and 200 in B.npz"),
    ],
)
def test_bad_arrays_are_one_line(files, capsys, arrays, words):
    np.savez(files / "X.npz", **arrays)
    code, out, err = judge(capsys, "X.npz", "B.npz")
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_a_single_array_is_told_from_an_npz(files, capsys):
    np.save(files / "X.npy", A)
    code, _, err = judge(capsys, "X.npy", "B.npz")
    assert code == 2
    assert "found a single array" in err


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "expected two files of scores, A and B, found 0"),
        (["A.npz"], "found 1"),
        (["A.npz", "B.npz", "A.npz"], "found 3"),
        (["A.npz", "B.npz", "--batch", "x"], "either two files or --batch"),
        (["A.npz", "B.npz", "--level", "95"], "level: expected a fraction"),
        (["A.npz", "B.npz", "--margin", "-1"], "margin: expected a positive number"),
        (["--batch", "x"], "--batch x: expected a file of JSON lines"),
        ([".", "B.npz"], "found a folder"),
    ],
)
def test_bad_arguments_are_one_line(files, capsys, arguments, words):
    code, out, err = judge(capsys, *arguments)
    assert (code, out) == (2, "")
    assert words in err


def test_a_batch_goes_on_after_a_bad_line(files, capsys):
    lines = [
        '{"a": "A.npz", "b": "B.npz"}',
        "",
        "{not json",
        '{"a": "A.npz"}',
        '{"a": "A.npz", "b": "C.npz"}',
        '{"a": "A.npz", "b": "B.npz", "marign": 1}',
        '{"a": "A.npz", "b": "B.npz", "level": "high"}',
        '{"a": "B.npz", "b": "A.npz", "margin": 0.3, "level": 0.9}',
    ]
    (files / "pairs.jsonl").write_text("\n".join(lines))
    code, out, _ = judge(capsys, "--batch", "pairs.jsonl", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert [entry.get("line") for entry in found] == [None, 3, 4, 5, 6, 7, None]
    assert found[0]["estimate"] == pytest.approx(A.mean() - B.mean())
    assert found[-1]["level"] == 0.9
    assert found[-1]["equivalence"]["margin"] == 0.3
    assert "expected a JSON object" in found[1]["error"]
    assert "C.npz: expected an npz or CSV file" in found[3]["error"]
    assert "did you mean 'margin'" in found[4]["error"]
    code, out, err = judge(capsys, "--batch", "pairs.jsonl")
    assert (code, len(out.splitlines()), len(err.splitlines())) == (1, 2, 5)


def test_a_good_batch_ends_in_zero_and_finds_files_beside_it(files, capsys, monkeypatch):
    (files / "pairs.jsonl").write_text("\ufeff" + '{"a": "A.npz", "b": "B.npz"}\r\n' * 2)
    elsewhere = files / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    code, out, _ = judge(capsys, "--batch", files / "pairs.jsonl", "--json")
    assert (code, len(out.splitlines())) == (0, 2)


def test_an_empty_batch_is_one_line(files, capsys):
    (files / "pairs.jsonl").write_text("\n\n")
    code, _, err = judge(capsys, "--batch", "pairs.jsonl")
    assert code == 2
    assert "found an empty file" in err


def test_a_batch_comes_from_standard_input(files):
    done = subprocess.run(
        [sys.executable, "-m", "harness", "judge", "--batch", "-", "--json"],
        input=json.dumps({"a": str(files / "A.npz"), "b": str(files / "B.npz")}),
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["seeds"] == [3, 4]


def test_a_batch_of_many_pairs_takes_milliseconds_each(files, capsys):
    (files / "pairs.jsonl").write_text('{"a": "A.npz", "b": "B.npz"}\n{"a": "B.npz", "b": "A.npz"}\n' * 50)
    code, out, _ = judge(capsys, "--batch", "pairs.jsonl", "--json")
    assert code == 0
    values = [json.loads(line)["estimate"] for line in out.splitlines()]
    assert values == [values[0], -values[0]] * 50
