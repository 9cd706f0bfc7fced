"""`run` with a few-shot recipe: computed, looked up, and refused in one line where a class has too few images."""

import json

import pytest

from harness.__main__ import main

RUN = ["run", "--checkpoint", "micro-vit-s", "--dataset"]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path))


def test_a_few_shot_run_is_computed_then_looked_up(capsys, one_thread):
    found = []
    for _ in range(2):
        assert main([*RUN, "digits", "--recipe", "fewshot-5", "--seed", "1", "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    first, again = found
    assert (first.pop("cached"), again.pop("cached")) == (False, True)
    assert first == again
    assert (first["recipe"], first["n"]) == ("fewshot-5", 797)
    assert main([*RUN, "digits", "--recipe", "fewshot-5", "--seed", "1", "--split", "dev"]) == 0
    out = capsys.readouterr().out
    assert "micro-vit-s on digits, fewshot-5, seed 1, dev split" in out
    assert "of 200)" in out


def test_too_few_images_of_a_class_are_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "recipes.toml").write_text(
        '[fewshot-10]\nbased_on = "fewshot-5"\nshots = 10\nsources.shots = "a test"\n'
    )
    monkeypatch.setenv("VIT_CLAIMS_TABLES", str(tmp_path))
    assert main([*RUN, "digits-5", "--recipe", "fewshot-10"]) == 2
    error = capsys.readouterr().err
    assert "few shots: expected at least 10 training examples of class 0, found 5; choose fewer shots" in error
    assert len(error.strip().splitlines()) == 1
