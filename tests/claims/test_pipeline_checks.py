"""The pipeline checks of the ViT paper: released, fine-tuned weights of each family that claims compare."""

from harness.evidence.released.pipeline_check import checks, trial_of


def test_each_family_of_the_claims_has_a_check_of_released_weights():
    assert set(checks()) == {"vit", "hybrid", "bit", "convnext"}
    for family, check in checks().items():
        found = trial_of(check)
        assert found.checkpoint.family == family
        assert found.checkpoint.classes == 1000
        assert found.recipe.evaluates_only
        assert found.recipe.side == found.checkpoint.resolution
