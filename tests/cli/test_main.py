"""The command line: `run`, `zoo`, `datasets`, `recipes`, as a user calls them."""

import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.suite.calling import LOAD, PAPER, ROOT, call

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1  # linux/prctl.h, linux/capability.h


def harness(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "harness", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | environment,
    )


RUN = ("run", "--checkpoint", "micro-vit-l", "--dataset", "digits-5", "--recipe", "micro", "--seed", 0)


def test_a_run_is_performed_then_looked_up(tmp_path):
    first = harness(*RUN, "--json", "--home", tmp_path)
    assert first.returncode == 0, first.stderr
    again = harness(*RUN, "--json", VIT_CLAIMS_HOME=str(tmp_path))
    one, two = json.loads(first.stdout), json.loads(again.stdout)
    assert (one.pop("cached"), two.pop("cached")) == (False, True)
    assert one == two
    assert set(one) == {
        *("run_id", "n", "correct", "accuracy", "interval", "predictions_sha256"),
        *("seconds", "images_per_second", "environment"),
        *("checkpoint_sha256", "dataset_sha256", "computed", "recipe", "stated"),
    }
    assert one["accuracy"] == 100 * one["correct"] / one["n"]
    assert one["interval"][0] < one["accuracy"] < one["interval"][1]
    assert one["n"] == 797
    text = harness(*RUN, "--home", tmp_path).stdout
    assert f"{one['accuracy']:.2f} % ({one['correct']} of 797), 95 % interval" in text
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()].count(".json") == 1


def test_looking_up_a_stored_run_imports_no_framework(tmp_path):
    code = (
        "import sys; from harness.__main__ import main; main(sys.argv[1:]);"
        "print([m for m in ('torch', 'timm', 'sklearn', 'scipy', 'pandas', 'numpy') if m in sys.modules])"
    )
    arguments = [str(argument) for argument in (*RUN, "--home", tmp_path)]
    for expected in (True, False):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT)
        assert ("torch" in done.stdout.splitlines()[-1]) is expected
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "changed, message",
    [
        (("--checkpoint", "micro-vit-xl"), "harness run: unknown checkpoint 'micro-vit-xl' (did you mean 'micro-vit-"),
        (
            ("--dataset", "digit"),
            "harness run: unknown dataset 'digit' (did you mean 'digits'?); expected one of: ",
        ),
        (
            ("--dataset", "cifar10", "--offline"),
            "harness run: cifar10/cifar-10-binary.tar.gz: offline: expected the file in the cache, found none",
        ),
        (("--dataset", "vtab-dmlab"), "harness run: vtab-dmlab: expected VTAB-1k's published lists"),
        (
            ("--dataset", "imagenet_real"),
            "expected a dataset with images, found other labels for those of imagenet; runs are on imagenet",
        ),
        (("--device", "cuda"), "--device: expected cpu for micro-vit-l, which comes with the project"),
        (("--device", "gpu"), "--device: expected auto, cpu, cuda or cuda:N, found 'gpu'"),
        (("--checkpoint", "vit-b16-in21k", "--offline"), "vit-b16-in21k/weights: offline: expected the file in the c"),
        (("--dataset", "pets", "--recipe", "paper"), "recipe paper: expected --learning-rate, one of its grid: 0.001,"),
        (("--learning-rate", "-1"), "--learning-rate: expected a positive number, found -1"),
        (("--home", "/etc/passwd"), "expected a stored result, found: Not a directory; choose another --home"),
        (("--recipe", "mikro"), "harness run: unknown recipe 'mikro' (did you mean 'micro'?)"),
        (
            ("--paper", "/nowhere"),
            "the option --paper: expected a folder with a paper.toml, found none at /nowhere",
        ),
        (("--seed", "-1"), "harness run: --seed: expected a whole number from 0 to 2^63 - 1, found -1"),
        (("--home", "/proc/nowhere"), "expected a folder that can be written, found: No such file or directory"),
    ],
    ids=str,
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, changed, message):
    places = {f"VIT_CLAIMS_{name}": str(tmp_path / "places") for name in ("HOME", "DATA", "CACHE")}
    done = harness(*RUN, "--home", tmp_path, *changed, **places)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stdout == ""


def test_an_interrupted_command_says_that_nothing_is_lost(monkeypatch, capsys):
    from harness import __main__ as command_line
    from harness.cli import zoo

    def interrupted(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(zoo, "run", interrupted)
    assert command_line.main(["zoo"]) == 130
    assert capsys.readouterr().err == "harness zoo: interrupted; what was stored is kept\n"


@pytest.mark.parametrize(
    "command", [("fetch", "vit-b16-in21k", "--dry-run", "--offline"), ("cache", "list"), ("doctor", "--offline")]
)
def test_every_command_takes_the_home_folder(command, tmp_path):
    places = {f"VIT_CLAIMS_{name}": "" for name in ("HOME", "CACHE", "DATA")}
    done = harness(*command, "--home", tmp_path, **places)
    assert str(tmp_path) in done.stdout, done.stderr


@pytest.mark.parametrize("kind, known", [("zoo", "micro-hybrid-s"), ("datasets", "orientation"), ("recipes", "micro")])
def test_listings(kind, known):
    names = [row["id"] for row in json.loads(harness(kind, "--json").stdout)]
    assert known in names
    assert len(set(names)) == len(names)
    text = harness(kind).stdout.splitlines()
    assert any(line.split()[0] == known for line in text if line)
    if kind != "zoo":  # its table leaves out the members of series
        assert {line.split()[0] for line in text[1:] if line} >= set(names)


def test_a_killed_session_s_report_is_rebuilt_from_its_history(tmp_path):
    claims = shutil.copytree(PAPER, tmp_path / "paper")
    done = call(claims, *LOAD, "test_claim1.py", "-m", "published", "-q", "--report-dir", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    before = json.loads((tmp_path / "verdicts.json").read_text())
    for name in ("verdicts.json", "report.html", "tables/claim1.csv", "runs.json", "summary.md"):
        (tmp_path / name).unlink()
    done = harness("report", "--report-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "verdicts.json").read_text()) == before
    assert f"{len(before['verdicts'])} verdicts on 1 claims" in done.stdout
    assert "ViT-L/16 is better than BiT-R152x4" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "tables" / "claim1.csv").exists()
    assert harness("report", "--report-dir", tmp_path / "none").returncode == 2


def test_a_full_disk_after_the_work_is_done_still_gives_the_accuracy(tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    whole = json.loads(harness(*RUN, "--home", tmp_path / "roomy", "--json").stdout)
    command = [sys.executable, "-m", "harness", *map(str, RUN), "--home", str(tmp_path / "full")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, preexec_fn=limit, check=False)
    assert f"top-1 accuracy {whole['accuracy']:.2f} % ({whole['correct']} of {whole['n']})" in done.stdout
    assert done.returncode == 1
    assert done.stderr.startswith("harness run: the result above was not stored: ")
    assert done.stderr.count("\n") == 1
    assert not list((tmp_path / "full").glob("runs/*/*"))


def test_an_output_that_can_t_be_written_is_one_line():
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "harness", "recipes"]
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    line = "harness recipes: output: expected to read or write it, found: No space left on device\n"
    assert done.stderr == line


def test_a_terminal_of_ascii_gets_escapes_and_no_traceback(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "datasets.toml").write_text(
        '[mine]\ntitle = "né à Zürich"\nreader = "folder"\nclasses = 2\ntrain = 4\ntest = 2\ndev_fraction = 0.5\n',
        encoding="utf-8",
    )
    ascii_only = {"PYTHONIOENCODING": "ascii", "VIT_CLAIMS_TABLES": str(tmp_path / "tables")}
    done = harness("datasets", **ascii_only)
    assert done.returncode == 0, done.stderr
    assert r"n\xe9 \xe0 Z\xfcrich" in done.stdout


def test_a_read_only_home_gives_what_is_stored_and_refuses_the_rest_in_one_line(tmp_path):
    def obeying_modes():  # root may write anywhere, unless that capability is dropped before the program starts
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)

    home = tmp_path / "home"
    try:
        stored = json.loads(harness(*RUN, "--home", home, "--json").stdout)
        for path in (home, *home.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        command = [sys.executable, "-m", "harness", *map(str, RUN), "--home", str(home), "--json"]
        start = {"cwd": ROOT, "capture_output": True, "text": True, "check": False, "preexec_fn": obeying_modes}
        found = subprocess.run(command, **start)
        assert json.loads(found.stdout)["predictions_sha256"] == stored["predictions_sha256"], found.stderr
        refused = subprocess.run([*command, "--seed", "1"], **start)
        assert refused.returncode == 2
        assert refused.stderr.count("\n") == 1, refused.stderr
        assert "Permission denied" in refused.stderr
    finally:
        for path in (home, *home.rglob("*")):
            path.chmod(0o755)
