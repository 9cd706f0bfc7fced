"""A result's figures come from the predicted classes."""

import pytest

from harness.core.errors import ClaimsError
from harness.core.result import Divergence, Result


def result(predictions, labels):
    return Result("id", predictions, labels, (0.1,), 1.0, 2.0, 3, (("python", "3"),))


def test_accuracy_is_from_integer_counts():
    assert result((1, 2, 3), (1, 2, 4)).correct == 2
    assert result((1, 2, 3), (1, 2, 4)).accuracy == pytest.approx(200 / 3)
    assert result((1,), (1,)).predictions_sha256 == "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"


@pytest.mark.parametrize("predictions, labels", [((1,), (1, 2)), ((), ())])
def test_a_result_has_one_prediction_for_each_label(predictions, labels):
    with pytest.raises(ClaimsError, match="expected one prediction for each label"):
        result(predictions, labels)


def test_a_diverged_result_has_no_accuracy():
    result = Result("r", (), (1, 2), (0.5,), 1.0, 1.0, 1, (), diverged=Divergence(1, 0.5, (3, 4)))
    assert result.correct == 0
    with pytest.raises(ClaimsError, match=r"expected predictions, found none: the loss was not finite at step 1"):
        _ = result.accuracy
