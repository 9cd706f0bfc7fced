"""Recipes: every value cited, the chosen learning rates found, bad tables refused."""

import pytest

from harness.errors import ClaimsError
from harness.micro.judge import stand_ins
from harness.recipes import chosen_rates, recipe, recipes
from harness.spec import Dataset, Recipe
from harness.tables import read_specs
from harness.zoo import checkpoints, file_of, shipped


def test_every_number_of_a_recipe_says_where_it_comes_from():
    for found in recipes().values():
        cited = {field for field, _ in found.sources}
        assert {"steps", "batch_size", "learning_rate", "resolution", "warmup_steps", "momentum", "clip_norm"} <= cited


def test_a_learning_rate_was_chosen_for_every_micro_checkpoint_and_dataset():
    rates = chosen_rates("micro")
    for name in shipped():
        for dataset in stand_ins()["datasets"].values():
            assert recipe("micro", name, dataset).learning_rate == rates[name][dataset]
    assert recipe("micro").learning_rate == recipes()["micro"].learning_rate


def test_the_choice_is_the_best_of_the_grid_and_the_lower_of_two_equals():
    import json

    from harness.micro.tune import GRID, TABLE, table

    written = json.loads(TABLE.read_text())
    assert table(written["dev_accuracy"]) == written
    for by_dataset in written["dev_accuracy"].values():
        for by_rate in by_dataset.values():
            assert [float(rate) for rate in by_rate] == list(GRID)
    tied = table({"c": {"d": {"0.3": 90.0, "0.1": 90.0, "0.03": 80.0}}})
    assert tied["chosen"] == {"c": {"d": 0.1}}


@pytest.mark.parametrize(
    "text, spec, message",
    [
        ("[a]\nsteps = 3", Recipe, r"^t\.toml \[a\]: key 'batch_size' is missing; add it$"),
        ("[a]\nclases = 3", Dataset, r"^t\.toml \[a\]: unknown key 'clases' \(did you mean 'classes'\?\)"),
        ("a = 3", Recipe, r"^t\.toml: expected tables \[NAME\], found the value a = 3; mend the file$"),
        ("[a\n", Recipe, r"t\.toml: expected TOML, found: .*line 1"),
    ],
)
def test_a_malformed_table_is_one_line(tmp_path, text, spec, message):
    path = tmp_path / "t.toml"
    path.write_text(text)
    with pytest.raises(ClaimsError, match=message) as caught:
        read_specs(path, spec)
    assert "\n" not in str(caught.value)


def test_shipped_checkpoints_are_the_ones_pinned_and_converged():
    import json

    from harness.micro.pretrain import CONVERGED, STEPS, SUMMARY
    from harness.tables import PACKAGE

    summary = json.loads((PACKAGE / "micro" / "checkpoints" / SUMMARY).read_text())
    assert len(summary) == 9
    for name, row in summary.items():
        found = checkpoints()[f"micro-{name}"]
        assert (found.sha256, found.size) == (row["sha256"], row["bytes"])
        assert file_of(found).stat().st_size == found.size
        assert row["steps"] == STEPS
        assert row["final_loss"] <= CONVERGED
    assert sum(row["bytes"] for row in summary.values()) < 12_000_000
