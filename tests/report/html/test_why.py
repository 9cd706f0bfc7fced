"""A row's reason says what its columns don't."""

import pytest

from harness.report.html.why import why
from tests.report.samples import verdict

NUMBERS = "+1.09 points [+0.61, +1.57] at 98.33 %"


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"reason": f"a minus b: {NUMBERS}"}, "the whole interval is above 0"),
        ({"reason": f"mean of 4 differences: {NUMBERS}; mind: x"}, "the whole interval is above 0; mind: x"),
        (
            {
                "reason": "a minus b: -1.09 points [-1.57, -0.61] at 95.00 %",
                "verdict": "REFUTED",
                "low": -2,
                "high": -1,
            },
            "the whole interval is below 0",
        ),
        (
            {"reason": f"a minus b: {NUMBERS}; too little data", "verdict": "OPEN", "low": -1.0, "high": 1.0},
            "the interval holds 0; too little data",
        ),
        ({"reason": f"a minus 99.16: {NUMBERS}, within ± 0.5", "tolerance": 0.5}, "within ± 0.5"),
        (
            {"reason": "1 of 2 hold, 0 do not, 1 are open; hinges on a > b on x: -0.01 points [-3.89, +3.87]; y"},
            "1 of 2 hold, 0 do not, 1 are open; hinges on a > b on x; y",
        ),
        ({"reason": "JFT-300M: never released"}, "JFT-300M: never released"),
        ({"reason": f"a minus b: {NUMBERS}", "low": None, "high": None}, ""),
    ],
)
def test_figures_of_the_row_are_left_out(changes, words):
    assert why(verdict(**changes)) == words
