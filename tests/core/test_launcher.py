"""What a launcher of several processes sets: taken whole, refused in one line otherwise."""

import pytest

from harness.core.errors import ClaimsError
from harness.core.launcher import process_count, require_single_process

LAUNCHED = {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


@pytest.mark.parametrize(
    "environment, count",
    [
        ({}, 1),
        ({"WORLD_SIZE": "1"}, 1),
        ({"WORLD_SIZE": "1", "RANK": "0"}, 1),
        ({"LOCAL_RANK": "-1"}, 1),
        ({"RANK": ""}, 1),
        (LAUNCHED, 2),
        (LAUNCHED | {"RANK": "0", "LOCAL_RANK": "0"}, 2),
        (LAUNCHED | {"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"}, 1),
    ],
)
def test_what_a_launcher_sets_is_taken(environment, count):
    assert process_count(environment) == count


@pytest.mark.parametrize(
    "environment, found",
    [
        ({"WORLD_SIZE": "2", "RANK": "0"}, "WORLD_SIZE=2 RANK=0: .* found no LOCAL_RANK, MASTER_ADDR, MASTER_PORT"),
        ({"WORLD_SIZE": "2"}, "found no RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT"),
        ({"RANK": "1"}, "RANK=1: .* found no WORLD_SIZE"),
        ({"LOCAL_RANK": "0"}, "LOCAL_RANK=0: .* found no WORLD_SIZE"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE: expected a whole number of at least 1.*'two'"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE: expected a whole number of at least 1.*'0'"),
        ({"RANK": "-1"}, "RANK: expected a whole number of at least 0.*'-1'"),
        ({name: text for name, text in LAUNCHED.items() if name != "MASTER_PORT"}, "found no MASTER_PORT"),
        (LAUNCHED | {"MASTER_PORT": "x"}, "MASTER_PORT: expected a whole number"),
        (LAUNCHED | {"RANK": "2"}, "expected RANK and LOCAL_RANK from 0 to 1"),
        (LAUNCHED | {"LOCAL_RANK": "5"}, "expected RANK and LOCAL_RANK from 0 to 1"),
    ],
)
def test_variables_without_a_launcher_are_refused_in_one_line(environment, found):
    with pytest.raises(ClaimsError, match=found) as caught:
        process_count(environment)
    assert "\n" not in str(caught.value)
    with pytest.raises(ClaimsError):
        require_single_process(environment)


def test_the_suite_is_one_process():
    for environment in ({}, {"WORLD_SIZE": "1", "RANK": "0"}, {"MASTER_ADDR": "127.0.0.1"}, {"LOCAL_RANK": "-1"}):
        require_single_process(environment)
    with pytest.raises(ClaimsError, match="WORLD_SIZE=2 .*without a launcher.*use -n N"):
        require_single_process(LAUNCHED)
