"""Where the cache lies and whether the network may be used: option, environment, project, default."""

import pytest

from harness.core.errors import ClaimsError
from harness.fetch import settings


@pytest.fixture
def project(tmp_path):
    below = tmp_path / "project" / "src" / "deep"
    below.mkdir(parents=True)
    (tmp_path / "project" / "pyproject.toml").write_text("[tool.vit-claims]\ncache = 'weights'\noffline = true\n")
    return below


def test_each_place_beats_the_next(project, tmp_path, monkeypatch):
    monkeypatch.setenv("VIT_CLAIMS_CACHE", str(tmp_path / "variable"))
    monkeypatch.setenv("VIT_CLAIMS_OFFLINE", "1")
    found = settings(tmp_path / "option", False, folder=project)
    assert (found.cache, found.cache_from) == (tmp_path / "option", "the option --cache")
    assert (found.offline, found.offline_from) == (False, "the option --no-offline")
    found = settings(folder=project)
    assert (found.cache, found.cache_from) == (tmp_path / "variable", "VIT_CLAIMS_CACHE")
    assert (found.offline, found.offline_from) == (True, "VIT_CLAIMS_OFFLINE")
    monkeypatch.setenv("VIT_CLAIMS_OFFLINE", "no")
    assert settings(folder=project).offline is False
    monkeypatch.delenv("VIT_CLAIMS_CACHE")
    monkeypatch.delenv("VIT_CLAIMS_OFFLINE")
    found = settings(folder=project)
    table = tmp_path / "project" / "pyproject.toml"
    assert (found.cache, found.cache_from) == (tmp_path / "project" / "weights", str(table))
    assert (found.offline, found.offline_from) == (True, str(table))
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert settings(folder=project).offline is False
    table.write_text("[project]\nname = 'x'\n")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path / "home"))
    found = settings(folder=project)
    assert (found.cache, found.offline) == (tmp_path / "home" / "downloads", False)
    assert (found.cache_from, found.offline_from) == ("the default", "the default")


def test_the_nearest_file_counts_and_claims_toml_comes_first(project, tmp_path):
    (project.parent / "claims.toml").write_text("cache = '../elsewhere'\n")
    found = settings(folder=project)
    assert found.cache.resolve() == tmp_path / "project" / "elsewhere"
    assert found.offline is False
    (project / "pyproject.toml").write_text("[tool.vit-claims]\noffline = true\n")
    assert settings(folder=project).offline is True


@pytest.mark.parametrize(
    "content, message",
    [
        ("cahce = 'x'", "unknown key 'cahce' (did you mean 'cache'?); expected keys: cache, offline"),
        ("offline = 'yes'", "offline: Input should be a valid boolean, found 'yes'"),
        ("cache = ", "expected TOML, found"),
    ],
)
def test_a_wrong_table_is_one_line(project, content, message):
    (project / "claims.toml").write_text(content)
    with pytest.raises(ClaimsError) as caught:
        settings(folder=project)
    assert message in str(caught.value)
    assert "claims.toml" in str(caught.value)


def test_a_wrong_variable_is_one_line(project, monkeypatch):
    monkeypatch.setenv("VIT_CLAIMS_OFFLINE", "maybe")
    with pytest.raises(ClaimsError, match="VIT_CLAIMS_OFFLINE: expected 1 or 0, found 'maybe'"):
        settings(folder=project)
