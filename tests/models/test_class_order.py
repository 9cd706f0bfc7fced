"""Which output of a head stands for which class: by name, by number, or refused."""

import pytest

from harness.core.errors import ClaimsError
from harness.core.specs import Checkpoint
from harness.models.class_order import head_outputs


def kept(names=(), classes=None):
    return Checkpoint("mine", "vit", "a", "p", "transformers", classes=classes or len(names), class_names=names)


@pytest.mark.parametrize(
    ("names", "classes", "outputs"),
    [
        (("dog", "cat"), ("cat", "dog"), (1, 0)),
        (("cat", "dog"), ("cat", "dog"), ()),
        (("Sea Lion", "sea_horse"), ("sea-horse", "SEA-LION"), (1, 0)),
        (("Stra\u00dfe", "b"), ("b", "STRASSE"), (1, 0)),
        (("b", "a", "c"), ("a", "c"), (1, 2)),
        (("a", "b", "c"), ("a", "b"), (0, 1)),  # not all of the head's
        (("10", "2", "1"), ("1", "10", "02"), (2, 0, 1)),
        (("crane", "crane", "kite", "owl"), ("kite", "owl"), (2, 3)),  # two of a name that the dataset has not
    ],
)
def test_names_are_matched_whatever_their_case_and_separators(names, classes, outputs):
    assert head_outputs(kept(names), classes) == (outputs, "class_names, by name")


@pytest.mark.parametrize(
    ("classes", "outputs"),
    [
        (("0", "1", "10", "2", "3", "4", "5", "6", "7", "8", "9"), (0, 1, 10, 2, 3, 4, 5, 6, 7, 8, 9)),
        (("1", "10", "2", "3", "4", "5", "6", "7", "8", "9"), (0, 9, 1, 2, 3, 4, 5, 6, 7, 8)),
        (("00", "01", "02"), ()),
        (("class_0", "class_1", "class_10", *(f"class_{n}" for n in range(2, 10))), (0, 1, 10, *range(2, 10))),
        (("Class 1", "class-2"), ()),
    ],
)
def test_numbers_are_in_numeric_order(classes, outputs):
    assert head_outputs(kept(classes=len(classes)), classes) == (outputs, "numeric class names in numeric order")


@pytest.mark.parametrize(
    ("names", "count", "classes", "words"),
    [
        ((), 2, ("cat", "dog"), "found class names such as 'cat' and no names of the outputs; add classes_file"),
        ((), 3, ("0", "1"), "found a head of 3 outputs for 2 numbers"),
        ((), 3, ("0", "1", "3"), "no names of the outputs"),
        ((), 3, ("2", "3", "4"), "no names of the outputs"),
        ((), 2, ("0", "00"), "no names of the outputs"),
        ((), 2, ("a0", "b1"), "no names of the outputs"),
        ((), 2, ("0", "one"), "no names of the outputs"),
        (("cat", "dog"), 2, ("cat", "owl", "emu"), "for the class 'owl', found none among 2"),
        (("crane", "Crane"), 2, ("crane", "x"), "for the class 'crane', found 2 of that name"),
        (("cat", "dog"), 2, ("cat", "CAT"), "for the class 'cat', found 2 classes for it"),
    ],
)
def test_what_nothing_settles_is_refused(names, count, classes, words):
    with pytest.raises(ClaimsError) as raised:
        head_outputs(kept(names, count), classes, "pictures")
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith("mine on pictures: ")
