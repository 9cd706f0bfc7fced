"""Values that runs share: made once, the same object, and never more than there is room for."""

import pytest

from harness.training.kept import Kept


def counted(kept, key, value, made):
    def make():
        made.append(key)
        return value

    return kept.get(key, make)


def test_a_value_is_made_once_and_those_asked_for_last_are_kept():
    kept, made = Kept(len, room=10), []
    first = counted(kept, "a", [0] * 4, made)
    assert counted(kept, "a", [1] * 4, made) is first
    counted(kept, "b", [0] * 4, made)
    counted(kept, "a", [0] * 4, made)
    counted(kept, "c", [0] * 4, made)  # b, asked for longest ago, makes room
    assert [counted(kept, key, [0] * 4, made) for key in "ac"] == [first, [0] * 4]
    assert made == ["a", "b", "c"]
    counted(kept, "b", [0] * 4, made)
    assert made == ["a", "b", "c", "b"]


def test_a_value_larger_than_the_room_is_given_and_not_kept():
    kept, made = Kept(len, room=3), []
    assert [len(counted(kept, "a", [0] * 4, made)) for _ in range(2)] == [4, 4]
    assert made == ["a", "a"]


def test_what_could_not_be_made_is_made_again():
    kept = Kept(len)
    with pytest.raises(ZeroDivisionError):
        kept.get("a", lambda: [1 // 0])
    assert kept.get("a", lambda: [1]) == [1]
