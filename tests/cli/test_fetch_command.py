"""The commands `fetch` and `cache`, as __main__ calls them."""

import argparse
import hashlib
import json

import pytest

from harness.cli.fetch_command import Catalogue, add_parsers, run_cache, run_fetch
from harness.core.errors import ClaimsError
from harness.fetch import Material, Url

CONTENT = b"weights" * 100
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def command(*arguments, catalogue=None, named=None):
    parser = argparse.ArgumentParser()
    add_parsers(parser.add_subparsers(dest="command"))
    options = parser.parse_args([str(argument) for argument in arguments])
    return run_fetch(options, catalogue) if options.command == "fetch" else run_cache(options, named)


@pytest.fixture
def catalogue(server):
    def of(name):
        return [Material(name, "w.npz", (Url(server.serve(f"/{name}", CONTENT)),), sha256=DIGEST)]

    return Catalogue({"vit": of("vit"), "bit": of("bit")}, {"jft": "JFT-300M is private"})


def test_fetch_by_id(catalogue, server, tmp_path, capsys):
    assert command("fetch", "vit", "--cache", tmp_path, catalogue=catalogue) == 0
    said = capsys.readouterr().out
    assert f"vit/w.npz  700 bytes  sha256 {DIGEST}  checked by sha256 known" in said
    assert command("fetch", "bit", "--cache", tmp_path, "--json", catalogue=catalogue) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["key"], row["size"], row["path"]) == ("bit/w.npz", 700, str(tmp_path / "files/bit/w.npz"))
    assert command("fetch", "vit", "bit", "jft", "--cache", tmp_path, catalogue=catalogue) == 1
    assert capsys.readouterr().err == "jft: never released (JFT-300M is private)\n"
    assert len(server.gets()) == 2


def test_fetch_a_url_with_its_digest(server, tmp_path, capsys):
    url = server.serve("/x/B%2B32.npz", CONTENT)
    assert command("fetch", url, "--sha256", DIGEST.upper(), "--cache", tmp_path) == 0
    (path,) = (tmp_path / "files").rglob("*.npz")
    assert path.name == "B+32.npz"
    assert command("fetch", url, "--sha256", "0" * 64, "--cache", tmp_path) == 1
    assert f"expected sha256 {'0' * 64} (given for it), found {DIGEST}" in capsys.readouterr().err
    assert path.read_bytes() == CONTENT


def test_a_dry_run_downloads_nothing_and_works_offline(catalogue, server, tmp_path, capsys):
    assert command("fetch", "vit", "bit", "--dry-run", "--cache", tmp_path, catalogue=catalogue) == 0
    said = capsys.readouterr().out
    assert "vit/w.npz  700 bytes (server)  answers" in said
    assert "2 files, 0 already there; to download 1,400 bytes into" in said
    asked = len(server.asked)
    command("fetch", "vit", "bit", "--dry-run", "--offline", "--cache", tmp_path, catalogue=catalogue)
    assert "vit/w.npz  unknown size  not asked" in capsys.readouterr().out
    assert len(server.asked) == asked
    assert server.gets() == []
    command("fetch", "bit", "--dry-run", "--json", "--cache", tmp_path, catalogue=catalogue)
    assert json.loads(capsys.readouterr().out)[0]["to_download"] == 700


def test_offline_a_dry_run_sums_estimates_apart_from_known_sizes(tmp_path, capsys):
    def of(name, **known):
        return [Material(name, "w.npz", (Url(f"https://127.0.0.1:9/{name}"),), **known)]

    sizes = {"a": {"size": 5000}, "b": {"estimate": 1_200_000_000}, "c": {"estimate": 300_000_000}, "d": {}}
    catalogue = Catalogue({name: of(name, **known) for name, known in sizes.items()})
    command("fetch", *sizes, "--dry-run", "--offline", "--cache", tmp_path, catalogue=catalogue)
    said = capsys.readouterr().out
    assert "b/w.npz  ~ 1,200,000,000 bytes (estimate)  not asked" in said
    assert "to download 5,000 bytes, about 1.50 GB estimated for 2 files and 1 files of unknown size into" in said


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((), "expected something to fetch, found nothing"),
        (("vti",), "unknown checkpoint or dataset 'vti' (did you mean 'vit'?)"),
        (("vit", "--sha256", "0" * 64), "--sha256: expected one URL"),
        (("ftp://127.0.0.1/a",), "fetch ftp://127.0.0.1/a: url: String should match pattern"),
        (("https://127.0.0.1/",), "expected the address of a file, found no file name at its end"),
        (("https://127.0.0.1/a", "--sha256", "12"), "sha256: String should match pattern"),
    ],
)
def test_a_wrong_command_is_one_line(catalogue, tmp_path, arguments, message):
    with pytest.raises(ClaimsError) as caught:
        command("fetch", *arguments, "--cache", tmp_path, catalogue=catalogue)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_cache_is_listed_measured_verified_unpinned_and_pruned(catalogue, tmp_path, capsys):
    command("fetch", "vit", "bit", "--cache", tmp_path, catalogue=catalogue)
    capsys.readouterr()
    assert command("cache", "verify", "--cache", tmp_path) == 0
    assert "2 good, 0 changed, 0 missing, 0 not pinned" in capsys.readouterr().out
    (tmp_path / "files/vit/w.npz").write_bytes(b"broken")
    assert command("cache", "verify", "--cache", tmp_path) == 1
    assert f"found {hashlib.sha256(b'broken').hexdigest()} (6 bytes)" in capsys.readouterr().out
    command("cache", "list", "--cache", tmp_path)
    assert f"bit/w.npz  700 bytes  sha256 {DIGEST}  from http" in capsys.readouterr().out
    command("cache", "size", "--cache", tmp_path)
    assert "files  706 bytes" in capsys.readouterr().out
    command("cache", "unpin", "vit/w.npz", "--cache", tmp_path)
    assert f"forgot sha256 {DIGEST}" in capsys.readouterr().out
    with pytest.raises(ClaimsError, match=r"unknown pin 'bit/w.npy' .did you mean 'bit/w.npz'"):
        command("cache", "unpin", "bit/w.npy", "--cache", tmp_path)
    with pytest.raises(ClaimsError, match="found no terminal to ask on; give --yes"):
        command("cache", "prune", "--cache", tmp_path)
    assert (tmp_path / "files/vit/w.npz").exists()
    assert command("cache", "prune", "--yes", "--cache", tmp_path) == 0
    assert "6 bytes freed" in capsys.readouterr().out
    assert sorted(p.name for p in (tmp_path / "files").iterdir()) == ["bit"]
    command("cache", "prune", "--yes", "--cache", tmp_path, named=set())
    assert list((tmp_path / "files").iterdir()) == []
    command("cache", "prune", "--yes", "--cache", tmp_path)
    assert "nothing to remove" in capsys.readouterr().out
