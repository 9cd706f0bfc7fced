"""What a source answered in the last sessions, as the page draws it."""

from dataclasses import replace

from harness.report.html import page
from harness.report.html.answer_history import LAST, answer_histories
from harness.report.html.background import Background
from harness.report.session_record import session_record
from tests.report.samples import CLAIM_1, store, verdict

SOURCE = verdict().source


def sessions(*names):
    """Return a session for each answer to claim 1, a day each."""
    base = session_record([], [], judged=0, seconds=1.0, command="pytest")
    return tuple(
        replace(base, date=f"2026-01-{at:02d}T08:30:00+00:00", answers=((CLAIM_1.id, SOURCE, name),))
        for at, name in enumerate(names, start=1)
    )


def test_the_last_sessions_are_squares_the_oldest_first():
    found = answer_histories(sessions("OPEN", "SUPPORTED", "SUPPORTED"))[CLAIM_1.id, SOURCE]
    assert [(square.look.word, square.date) for square in found.squares] == [
        ("open", "2026-01-01 08:30"),
        ("supported", "2026-01-02 08:30"),
        ("supported", "2026-01-03 08:30"),
    ]
    assert found.said == "last 3 sessions: supported in 2, open in 1"
    many = answer_histories(sessions(*["OPEN"] * LAST, "MIXED"))[CLAIM_1.id, SOURCE]
    assert len(many.squares) == LAST
    assert many.squares[-1].look.word == "mixed"


def test_one_session_is_no_history_and_an_unknown_answer_no_square():
    assert answer_histories(sessions("OPEN")) == {}
    assert answer_histories(sessions("OPEN", "PROVEN")) == {}
    assert answer_histories(()) == {}


def test_the_page_draws_them_beside_the_answer():
    answered = store()
    (key,) = [each.key for each in answered.answers()][:1]
    base = session_record([], [], judged=0, seconds=1.0, command="pytest")
    past = tuple(replace(base, answers=((*key, name),)) for name in ("OPEN", "SUPPORTED"))
    shown = page.section(answered, background=Background(sessions=past))
    assert 'aria-label="last 2 sessions: open in 1, supported in 1"' in shown
    assert "last 2 sessions" not in page.section(answered, background=Background())
