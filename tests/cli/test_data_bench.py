"""`data-bench`: what it prints is what was measured on the dataset that was named."""

import argparse
import json

import pytest

from harness.cli import data_bench
from harness.core.errors import ClaimsError
from tests.data import making


def bench(*arguments):
    parser = argparse.ArgumentParser()
    data_bench.add_parser(parser.add_subparsers())
    return data_bench.run(parser.parse_args(["data-bench", *map(str, arguments)]))


def folder(root):
    for number in range(10):
        making.put(root / f"class{number % 2}" / f"{number}.png", making.png(number, 9, 7))
    return root


def test_a_folder_of_images_is_measured_and_its_cache_kept(tmp_path, capsys):
    images = folder(tmp_path / "images")
    assert bench("folder", "--path", images, "--images", 6, "--side", 4, "--cache", tmp_path / "cache", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["images"] == 6
    assert found["cache_bytes"] == 6 * 4 * 4 * 3
    sizes = sorted(path.stat().st_size for path in images.rglob("*.png"))
    assert sum(sizes[:6]) <= found["encoded_bytes"] <= sum(sizes[-6:])
    assert all(found[rate] > 0 for rate in ("decode", "first_epoch", "second_epoch", "second_run"))
    assert len(list((tmp_path / "cache").glob("*/pixels.u8"))) == 1


def test_a_micro_dataset_is_measured(capsys):
    assert bench("count", "--images", 50) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "count: 50 images, as decoded (count)"
    # 50 grey images of 32 x 32, and as many in colour.
    assert lines[1] == f"{50 * 1024:,} bytes encoded, {50 * 3072:,} bytes in the cache"
    assert [line.split(":")[0].split(",")[0] for line in lines[2:]] == [
        "decoding",
        "first epoch",
        "second epoch",
        "second run",
    ]
    assert all(line.endswith(" images/s") for line in lines[2:])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pests"], "unknown dataset 'pests' .did you mean 'pets'..; expected one of"),
        (["folder"], "expected --path DIR"),
        (["count", "--images", "0"], "--images: expected a positive number, found 0"),
        (["pets", "--path", "/nonexistent"], "pets: expected it in /nonexistent, found no such folder"),
    ],
)
def test_bad_input_is_one_line(arguments, message):
    with pytest.raises(ClaimsError, match=message):
        bench(*arguments)
