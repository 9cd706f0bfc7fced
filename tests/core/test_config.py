"""Where the cache lies and whether the network may be used: option, environment, project, default."""

import dataclasses
import re
from pathlib import Path

import platformdirs
import pytest

from harness.core.config import SETTINGS, Config, Table, home, read_config, settings, use
from harness.core.errors import ClaimsError

HARNESS = Path(__file__).parents[2] / "harness"


@pytest.fixture
def project(tmp_path):
    below = tmp_path / "project" / "src" / "deep"
    below.mkdir(parents=True)
    (tmp_path / "project" / "pyproject.toml").write_text("[tool.vit-claims]\ncache = 'weights'\noffline = true\n")
    return below


def test_each_place_beats_the_next(project, tmp_path, monkeypatch):
    monkeypatch.setenv("VIT_CLAIMS_CACHE", str(tmp_path / "variable"))
    monkeypatch.setenv("VIT_CLAIMS_OFFLINE", "1")
    found = read_config({"cache": tmp_path / "option", "offline": False}, project)
    assert (found.cache, found.origin("cache")) == (tmp_path / "option", "the option --cache")
    assert (found.offline, found.origin("offline")) == (False, "the option --no-offline")
    found = read_config(folder=project)
    assert (found.cache, found.origin("cache")) == (tmp_path / "variable", "VIT_CLAIMS_CACHE")
    assert (found.offline, found.origin("offline")) == (True, "VIT_CLAIMS_OFFLINE")
    monkeypatch.setenv("VIT_CLAIMS_OFFLINE", "no")
    assert read_config(folder=project).offline is False
    monkeypatch.delenv("VIT_CLAIMS_CACHE")
    monkeypatch.delenv("VIT_CLAIMS_OFFLINE")
    found = read_config(folder=project)
    table = tmp_path / "project" / "pyproject.toml"
    assert (found.cache, found.origin("cache")) == (tmp_path / "project" / "weights", str(table))
    assert (found.offline, found.origin("offline")) == (True, str(table))
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert read_config(folder=project).offline is False
    table.write_text("[project]\nname = 'x'\n")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path / "home"))
    found = read_config(folder=project)
    assert (found.cache, found.offline) == (tmp_path / "home" / "downloads", False)
    assert (found.origin("cache"), found.origin("offline")) == ("the default", "the default")


def test_the_nearest_file_counts_and_claims_toml_comes_first(project, tmp_path):
    (project.parent / "claims.toml").write_text("cache = '../elsewhere'\n")
    found = read_config(folder=project)
    assert found.cache.resolve() == tmp_path / "project" / "elsewhere"
    assert found.offline is False
    (project / "pyproject.toml").write_text("[tool.vit-claims]\noffline = true\n")
    assert read_config(folder=project).offline is True


@pytest.mark.parametrize(
    "content, message",
    [
        (
            "cahce = 'x'",
            "unknown key 'cahce' (did you mean 'cache'?); expected keys: home, cache, offline, ",
        ),
        ("offline = 'yes'", "offline: expected a valid boolean, found 'yes'"),
        ("cache = ", "expected TOML, found"),
    ],
)
def test_a_wrong_table_is_one_line(project, content, message):
    (project / "claims.toml").write_text(content)
    with pytest.raises(ClaimsError) as caught:
        read_config(folder=project)
    assert message in str(caught.value)
    assert "claims.toml" in str(caught.value)


def test_a_wrong_variable_is_one_line(project, monkeypatch):
    monkeypatch.setenv("VIT_CLAIMS_OFFLINE", "maybe")
    with pytest.raises(ClaimsError, match="VIT_CLAIMS_OFFLINE: expected 1 or 0, found 'maybe'"):
        read_config(folder=project)


def test_the_option_beats_the_variable_beats_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path / "variable"))
    assert home(tmp_path / "option") == tmp_path / "option"
    assert home(None) == tmp_path / "variable"
    monkeypatch.delenv("VIT_CLAIMS_HOME")
    assert home(None) == Path(platformdirs.user_cache_dir("vit-claims", appauthor=False))


def test_the_environment_is_changed_only_for_the_frameworks_of_a_new_process():
    changes = re.compile(r"os\.environ\[[^]]+\] *=|os\.environ\.(setdefault|update|pop)|putenv|setenv")
    found = {path.name for path in HARNESS.rglob("*.py") if changes.search(path.read_text())}
    assert found == {"devices.py", "ray_workers.py"}  # Ray reads its own from there alone


def test_an_entry_point_s_choice_holds_until_it_is_taken_back(tmp_path, monkeypatch):
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path / "variable"))
    use(read_config({"home": tmp_path / "chosen"}))
    try:
        assert (home(), settings().cache) == (tmp_path / "chosen", tmp_path / "chosen" / "downloads")
        assert settings(tmp_path / "elsewhere", True).offline is True
    finally:
        use(None)
    assert home() == tmp_path / "variable"


def test_every_setting_is_a_field_a_key_and_documented():
    keys = {setting.key for setting in SETTINGS}
    assert keys == {field.name for field in dataclasses.fields(Config)} - {"origins"}
    assert keys == {field.name for field in dataclasses.fields(Table)}
