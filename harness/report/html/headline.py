"""The first screen's answers: what each source says of a claim, in one short sentence to quote, with one plot."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.core.claim import Claim, StatementRecord
from harness.core.measure import POINTS
from harness.core.paper import paper
from harness.core.source import MICRO, Source
from harness.core.verdict import Answer, AnswerName, Verdict
from harness.judging.answer import FAILS, HOLDS, UNDECIDED, carried
from harness.report.html.answer_history import AnswerHistory
from harness.report.html.intervals import IntervalPlot, Scale, effects_range, plot
from harness.report.labels import ANSWER_LOOKS, Look, interval, level, plural, signed
from harness.report.verdict_store import VerdictStore

NAMED = 2
"""So many things that are lacking are named, the others counted."""
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

SAYS: Mapping[str, str] = {
    "published": "Published figures",
    "gpu": "Runs on released checkpoints",
    "measured": "Measurements",
}
"""What speaks in a sentence, by the kind of source; the micro study has sentences of its own."""
WHAT: Mapping[str, str] = {
    "published": "Published figures",
    "micro": "Micro study",
    "gpu": "Released checkpoints",
    "measured": "Own numbers",
}
"""What the sources are of."""
MICRO_WORDS: Mapping[AnswerName, str] = {"SUPPORTED": "agrees", "CONTRADICTED": "disagrees"}
"""The micro study's own words for answers, where they differ."""


@dataclass(frozen=True)
class Headline:
    """What one source says of one claim."""

    look: Look
    source: str
    sentence: str
    full: str
    """The sentence with all figures."""
    figures: str
    """The deciding estimate with its interval, "" where there is none."""
    plot: IntervalPlot | None
    verdict: Verdict | None = None
    """The one that decides."""
    history: AnswerHistory | None = None
    """The same source's answers in earlier sessions, where there were some."""


def headlines(store: VerdictStore) -> dict[str, list[Headline]]:
    """Return what each source says of each claim whose verdicts answer it, by the claim's id, without plots."""
    found: dict[str, list[Headline]] = {}
    for answer in store.answers():
        found.setdefault(answer.claim, []).append(headline(answer, store.claims[answer.claim], store))
    return found


def headline(answer: Answer, claim: Claim, store: VerdictStore) -> Headline:
    """Return an answer as the first screen has it.

    Args:
        answer: of one source.
        claim: with its statements.
        store: the verdicts.
    """
    look = ANSWER_LOOKS[answer.answer]
    source = Source.parse(answer.source)
    if source.kind == MICRO:
        look = replace(look, word=MICRO_WORDS.get(answer.answer, look.word))
    told = [
        (statement, store.verdicts[claim.id, statement.hypothesis, answer.source])
        for statement in claim.statements
        if statement.hypothesis in answer.hypotheses
        and (claim.id, statement.hypothesis, answer.source) in store.verdicts
    ]
    if not told:
        return Headline(look, answer.source, untested(source.kind, answer.sentence), answer.sentence, "", None)
    text = micro_sentence(answer.answer, told) if source.kind == MICRO else sentence(source.kind, answer.answer, told)
    return Headline(look, answer.source, text, answer.sentence, figures(told[0][1]), None, told[0][1])


def drawn(headline: Headline, scale: Scale) -> Headline:
    """Return a headline with its plot."""
    return replace(headline, plot=None if headline.verdict is None else plot(headline.verdict, scale))


Told = Sequence[tuple[StatementRecord, Verdict]]


def sentence(kind: str, name: AnswerName, told: Told) -> str:
    """Return an answer about the paper's statements in one sentence that can be quoted.

    Args:
        kind: of the source.
        name: the answer.
        told: the statements that the source has evidence on, the deciding one first, with its verdicts.
    """
    who = SAYS.get(kind, kind.capitalize())
    first = said(told[0][0])
    holding = [said(statement) for statement, verdict in told if carried(verdict) == HOLDS]
    failing = [said(statement) for statement, verdict in told if carried(verdict) == FAILS]
    if name == "SUPPORTED":
        return f"{who} support that {first}."
    if name == "CONTRADICTED":
        return f"{who} contradict that {first}."
    if name == "MIXED":
        return f"{who} support that {holding[0]}, but contradict that {failing[0]}."
    if holding:
        return f"{who} leave open whether {first}; they support that {holding[0]}."
    if failing:
        return f"{who} leave open whether {first}; they contradict that {failing[0]}."
    return f"{who} leave open whether {first}."


def said(statement: StatementRecord) -> str:
    """Return what a statement says, with the material that stood for the paper's own."""
    return statement.says + (f" ({statement.material})" if statement.material else "")


def micro_sentence(name: AnswerName, told: Told) -> str:
    """Return the micro study's answer in its own words, about its own networks."""
    by_name: dict[str, list[str]] = {HOLDS: [], FAILS: [], UNDECIDED: []}
    for statement, verdict in told:
        by_name.setdefault(carried(verdict), []).append(in_words(verdict.about or statement.says))
    first = in_words(told[0][1].about or told[0][0].says)
    if name == "SUPPORTED":
        return f"The micro study agrees: {first}."
    if name == "CONTRADICTED":
        return f"The micro study disagrees: it is not so that {first}."
    if name == "MIXED":
        return f"The micro study is mixed: {by_name[HOLDS][0]}, but it is not so that {by_name[FAILS][0]}."
    text = f"The micro study leaves open whether {first}"
    if by_name[FAILS]:
        text += f"; it is not so that {by_name[FAILS][0]}"
    elif by_name[HOLDS]:
        text += f"; {by_name[HOLDS][0]}"
    return f"{text}."


def in_words(stated: str) -> str:
    """Return a hypothesis of the micro study as a clause: signs become words, a long list of tasks its number."""
    text = re.sub(r"(?<= )(?:[\w./-]+, ){2,}[\w./-]+(?=$|;)", counted, stated)
    if text.startswith("all of: "):
        return " and ".join(in_words(part) for part in text.removeprefix("all of: ").split("; "))
    gain = re.fullmatch(r"gain (\S+) to (\S+) > gain (\S+) to (\S+)(.*)", text)
    if gain:
        return "from {} to {} accuracy gains more than from {} to {}{}".format(*gain.groups())
    steps = re.fullmatch(r"(\S+(?: < \S+)+)(.*)", text)
    if steps:
        return f"accuracy rises from {' to '.join(steps[1].split(' < '))}{steps[2]}"
    return text.replace(" > ", " is more accurate than ", 1) if text.count(" > ") == 1 else text


def counted(tasks: re.Match[str]) -> str:
    """Return how many tasks a list names."""
    number = len(tasks[0].split(", "))
    return f"{NUMBERS[number] if number < len(NUMBERS) else number} tasks"


def untested(kind: str, text: str) -> str:
    """Return why a source says nothing, with the source."""
    why = shortened(text).removeprefix("Not tested: ")
    return f"{WHAT.get(kind, kind.capitalize())} not tested: {why}"


def shortened(text: str) -> str:
    """Return a sentence with a long list of names in it cut short."""

    def cut(names: re.Match[str]) -> str:
        listed = re.split(r", (?![^()]*\))", names[0])
        return f"{', '.join(listed[:NAMED])} and {len(listed) - NAMED} more"

    # An id, or several files of one network as the plan names them.
    name = r"(?:\d+ files of (?:[^,;()]|\([^()]*\))+|[\w./-]+)"
    return re.sub(rf"(?<=: ){name}(?:, {name}){{{NAMED + 1},}}", cut, text)


def figures(verdict: Verdict) -> str:
    """Return the deciding figures of a verdict: the estimate with its interval."""
    if verdict.estimate is None:
        return ""
    if verdict.kind == "Ratio":
        return f"{verdict.estimate:.3g} of the cost"
    if verdict.kind == "Robust":
        ends = effects_range(verdict)
        said = f"{signed(verdict.estimate)} pp, median of {plural(len(verdict.components), 'specification')}"
        return said + (f" from {signed(ends[0])} to {signed(ends[1])}" if ends else "")
    unit = verdict.unit
    bounds = interval(verdict.low, verdict.high, signs=True, unit=unit)
    text = f"{signed(verdict.estimate, unit)} {'pp' if unit == POINTS else unit} {bounds}" + (
        f" ({level(verdict.level)})" if bounds else ""
    )
    return text + (f", {part}" if (part := deciding_part(verdict)) else "")


def deciding_part(verdict: Verdict) -> str:
    """Return which part of a compound hypothesis its figures are those of; "" where it can't be told, or has none.

    A part that differs from the others only by its dataset is called by that, any other by its sides.
    """
    figure = (verdict.estimate, verdict.low, verdict.high)
    at = [k for k, part in enumerate(verdict.components) if (part.estimate, part.low, part.high) == figure]
    names = [part.hypothesis for part in verdict.components]
    if Source.parse(verdict.source).kind == MICRO:  # in its own names, where it has one for each part
        names = verdict.about.removeprefix("all of: ").split("; ")
    if len(at) != 1 or len(names) != len(verdict.components) or len(names) < 2:
        return ""
    sides, _, on = names[at[0]].partition(" on ")
    if all(name.partition(" on ")[0] == sides for name in names):
        return f"on {dict(paper().titles).get(on, on)}"
    return sides
