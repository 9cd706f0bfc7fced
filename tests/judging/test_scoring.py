"""Right or wrong by one label or by several, on the same examples for every side."""

import pytest

from harness.core.errors import ClaimsError
from harness.core.result import Divergence, Result
from harness.judging.scoring import real_scored, scored

REAL = ((3, 5), (), (7,), (1,), (2,), ())
ORIGINAL = (3, 4, 7, 1, 2, 6)


def result(predictions, labels=ORIGINAL, **changed):
    values = {"loss_history": (), "seconds": 1.0, "images_per_second": 1.0, "peak_memory": 1, "environment": ()}
    return Result("r", tuple(predictions), tuple(labels), **values | changed)


def test_by_its_labels():
    found = scored(result([3, 4, 0, 1, 2, 0]))
    assert found.hits == (True, True, False, True, True, False)
    assert (found.n, found.correct, found.accuracy) == (6, 4, pytest.approx(100 * 4 / 6))
    assert found.examples == scored(result([0] * 6)).examples
    assert found.examples != scored(result([0] * 6, ORIGINAL[::-1])).examples


def test_by_real_labels_any_of_them_counts_and_unlabelled_images_do_not():
    found = real_scored(result([5, 4, 7, 0, 2, 6]), REAL)
    assert found.hits == (True, True, False, True)
    assert found.accuracy == 75
    assert found.examples == real_scored(result([0] * 6), REAL).examples != scored(result([0] * 6)).examples


def test_images_in_another_order_than_the_real_labels_are_refused():
    with pytest.raises(ClaimsError, match="found 0 of 4 original labels among them; the images are in another order"):
        real_scored(result([3, 4, 7, 1, 2, 6], labels=(4, 3, 6, 7, 1, 2)), REAL)


@pytest.mark.parametrize("score", [scored, lambda found: real_scored(found, REAL)])
def test_a_run_that_diverged_has_no_accuracy(score):
    ended = result((), diverged=Divergence(7, 0.1, (1, 2)))
    with pytest.raises(ClaimsError, match="run r: expected predictions, found none: the loss was not finite at step 7"):
        score(ended)


def test_real_needs_every_image():
    with pytest.raises(ClaimsError, match="expected 6 predictions for the ReaL labels, found 2"):
        real_scored(result([3, 4], (3, 4)), REAL)
