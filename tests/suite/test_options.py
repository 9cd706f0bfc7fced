"""Options that no session can use, or that do nothing for what is selected, are usage errors: one line, exit code 4."""

import re

import pytest
from _pytest.config import _prepareconfig

from harness.core.claim import Claim
from harness.core.errors import ClaimsError
from harness.core.hypotheses import Better, Contender
from harness.core.source import Source
from harness.judging.question import AgreementQuestion, Family, Question
from harness.suite.options import request_of, require_used, require_values
from harness.suite.selection import Selected, selection_of
from tests.suite.calling import LOAD, call, refused, write_claims

CLAIM = Claim(id="mine", title="t", quote="q", source="s")
HYPOTHESIS = Better(Contender("A", "X"), than=Contender("B", "X"), on="d")


def parsed(*arguments):
    return _prepareconfig([*LOAD, "-p", "no:cacheprovider", *arguments])


def selected(*sources):
    return Selected(tuple(Question(CLAIM, HYPOTHESIS, Source.parse(source)) for source in sources), len(sources))


def refusal(config, selection):
    """Return the line that refuses a session's options for a selection; "" if they are taken."""
    try:
        require_values(config)
        require_used(config, selection)
    except ClaimsError as error:
        return str(error)
    return ""


SOURCES = {"published": ("published",), "micro or published": ("published", "micro"), "gpu": ("gpu/notebook",)}
ALL = ("published", "micro", "gpu/notebook")
GPU = ("-m", "gpu", "--device", "cpu")


@pytest.mark.parametrize(
    "arguments, line",
    [
        (
            ("-m", "published", "--recipe", "paper"),
            "--recipe does nothing here: .* tests of the gpu evidence, found publi",
        ),
        (("-m", "published", "--seeds", "3"), "--seeds does nothing here"),
        (("-m", "micro or published", "--recipe", "notebook"), "--recipe does nothing here"),
        (("-m", "published", "--device", "cpu"), "--device does nothing here: .* add -m gpu"),
        (("--device", "cpu"), "--device does nothing here"),
        (("-m", "published", "--compile"), "--compile does nothing here"),
        (("-m", "micro", "--no-fused"), "--no-fused does nothing here"),
        (("-m", "micro", "--no-graphs"), "--no-graphs does nothing here"),
        (("-m", "published", "--max-gpu-hours", "3"), "--max-gpu-hours does nothing here"),
        (("-m", "published", "--backend", "jax"), "--backend does nothing here"),
        (("-m", "published", "--jobs", "2"), "--jobs does nothing here"),
        (("-m", "published", "--time-limit", "2"), "--time-limit does nothing here"),
        (("-m", "published", "--store", "shared"), "--store does nothing here"),
        (("-m", "micro", "--ray-address", "auto"), "--ray-address does nothing here: expected --executor ray"),
        (("-m", "micro", "--executor", "ray", "--jobs", "2"), "--jobs does nothing here: .*, found --executor ray"),
        (("-m", "micro", "--executor", "ray", "-n", "2"), "--executor ray: expected one process of pytest, found -n"),
        (("-m", "micro", "--time-limit", "-1"), "--time-limit: expected hours of 0 or more, found -1"),
        (("-m", "gpu", "--gpus-per-run", "0"), "--gpus-per-run: expected at least 1, found 0"),
        (("-m", "published", "--seeds", "auto"), "--seeds does nothing here"),
        (
            ("-m", "published", "--specifications", "full"),
            "--specifications does nothing here: expected tests of the micro evidence, found published selected",
        ),
        (
            ("-m", "published", "--plan"),
            "--plan does nothing here: expected tests of the micro, gpu or measured evidence",
        ),
        (("--card", "h100"), "--card does nothing here: expected --plan"),
        ((*GPU, "--card", "h100"), "--card does nothing here: expected --plan"),
        (("--price-per-hour", "3"), "--price-per-hour does nothing here: expected --plan"),
        ((*GPU, "--backend", "jax", "--compile"), "--compile does nothing here: expected the backend torch"),
        ((*GPU, "--backend", "jax", "--no-fused"), "--no-fused does nothing here: expected the backend torch"),
        ((*GPU, "--backend", "jax", "--no-graphs"), "--no-graphs does nothing here: expected the backend torch"),
    ],
)
def test_an_option_that_does_nothing_is_refused(arguments, line):
    config = parsed(*arguments)
    told = refusal(config, selected(*SOURCES.get(config.option.markexpr, ALL)))
    assert re.match(line, told)
    assert "\n" not in told


@pytest.mark.parametrize(
    "arguments, line",
    [
        (("--plan", "--price-per-hour", "nan"), "--price-per-hour: expected a price of 0 or more, found nan"),
        (("--plan", "--price-per-hour", "inf"), "--price-per-hour: expected a price of 0 or more, found inf"),
        (("--plan", "--price-per-hour", "-1"), "--price-per-hour: expected a price of 0 or more, found -1"),
        (("--max-gpu-hours", "nan"), "--max-gpu-hours: expected hours of 0 or more, found nan"),
        (("--max-gpu-hours=-0.5",), "--max-gpu-hours: expected hours of 0 or more, found -0.5"),
        (("--report-dir=",), "--report-dir: expected a folder, found nothing"),
        (("--report-dir", " "), "--report-dir: expected a folder, found nothing"),
        (("--home=",), "--home: expected a folder, found nothing"),
        (("--card", "h1000"), r"unknown card 'h1000' \(did you mean 'h100'\?\)"),
        (("--card=",), "unknown card ''"),
        (("--recipe", "papre"), r"unknown recipe 'papre' \(did you mean 'paper'\?\)"),
        (("--seeds", "2"), "--seeds: expected 1, or 3 or more, found 2"),
    ],
)
def test_a_value_that_no_session_can_use_is_refused(arguments, line):
    with pytest.raises(ClaimsError, match=line) as caught:
        require_values(parsed(*arguments))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments, sources",
    [
        (("--recipe", "paper", "--seeds", "5", "--jobs", "2", "--backend", "both"), ALL),
        (("-m", "micro", "--jobs", "2", "--backend", "jax"), ("micro",)),
        (("-m", "micro", "--specifications", "full"), ("micro",)),
        ((*GPU, "--seeds", "auto"), ("gpu/notebook",)),
        ((*GPU, "--card", "h100", "--max-gpu-hours", "0"), ("gpu/notebook",)),
        ((*GPU, "--compile", "--no-fused", "--max-gpu-hours", "inf"), ("gpu/notebook",)),
        # --plan is added to the command that is planned.
        ((*GPU, "--compile", "--max-gpu-hours", "3", "--plan", "--card", "t4", "--price-per-hour", "0"), ALL),
        (("-m", "published", "--strict-verdicts", "--report-dir", "x"), ("published",)),
        (("-m", "published", "--recipe", "paper", "--co"), ("published",)),
        (("-m", "published", "--recipe", "paper"), ()),
    ],
)
def test_an_option_that_does_something_is_taken(arguments, sources):
    assert refusal(parsed(*arguments), selected(*sources)) == ""


@pytest.mark.parametrize("text", ["some", "3.5", "AUTO"])
def test_seeds_that_are_no_number_are_refused_by_pytest(text):
    with pytest.raises(pytest.UsageError, match=f"argument --seeds: invalid seeds value: '{text}'"):
        parsed("--seeds", text)


@pytest.mark.parametrize(
    "given, grid", [((), ""), (("--specifications", "reduced"), ""), (("--specifications", "full"), "full")]
)
def test_the_grid_of_specifications_reaches_the_questions(given, grid):
    assert request_of(parsed(*given)).specifications == grid


@pytest.mark.parametrize(
    "arguments, line",
    [
        (("-m", "published", "--recipe", "paper"), "--recipe does nothing here"),
        (("-m", "published", "--seeds", "3", "-n", "2"), "--seeds does nothing here"),
        (("--card", "h1000"), "unknown card 'h1000'"),
        (("--report-dir=",), "--report-dir: expected a folder"),
    ],
)
def test_a_session_refuses_in_one_line(tmp_path, arguments, line):
    write_claims(tmp_path)
    done = call(tmp_path, *LOAD, "-q", *arguments)
    assert refused(done, line), done.stdout + done.stderr
    assert not (tmp_path / "reports").exists()


def test_a_selection_reaches_the_controller_whole():
    agreement = AgreementQuestion(
        CLAIM, HYPOTHESIS, Source.parse("micro"), 1.0, Family("test_it", (HYPOTHESIS,)), "A is better"
    )
    whole = Selected((*selected(*ALL).questions, agreement), 4, "a problem")
    assert selection_of(whole.encoded()) == whole
    with pytest.raises(ClaimsError):
        selection_of(b"{")


def test_recipes_and_seeds_reach_the_questions(tmp_path):
    write_claims(tmp_path)
    done = call(tmp_path, *LOAD, "-q", "-m", "not micro", "--recipe", "paper", "--seeds", "1", "--jobs", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gpu/paper" in done.stdout
    assert (tmp_path / "reports" / "report.html").exists()
