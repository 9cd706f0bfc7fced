from harness.report.comparison import Change
from harness.report.terminal import MOST_CHANGES, MOST_REFUTED, answers, changed, colour, refuted, table
from harness.report.verdict_store import VerdictStore
from tests.report.samples import DAY_1, DAY_2, by_both_backends, store, verdict


def cells(lines):
    return [line.split() for line in lines]


def test_the_table_counts_the_verdicts_of_each_claim_and_group():
    made = store()
    lines = table(made, set(made.verdicts))
    assert lines[0].split("  ")[0] == "claim"
    assert cells(lines)[1:] == [
        ["claim1", "published", "4", "-", "4", "-", "-", "-", "-", "-", "now"],
        ["claim1", "micro", "-", "-", "-", "-", "2", "1", "-", "-", "now"],
        ["claim1", "gpu", "-", "-", "-", "-", "-", "-", "7", "1", "now"],
        ["claim2", "published", "-", "1", "-", "-", "-", "-", "-", "-", "now"],
    ]


def test_counts_stand_under_their_heading():
    lines = table(store(), ())
    for word in ("reproduced", "refuted", "inconclusive", "disagrees", "open", "not verifiable", "not run"):
        end = lines[0].index(word) + len(word)
        assert all(line[end - 1] in "-0123456789" and line[end] == " " for line in lines[1:])


def test_kept_verdicts_show_the_oldest_day():
    made = VerdictStore()
    fresh = verdict(hypothesis="fresh", date=DAY_2)
    made.add([verdict(), verdict(hypothesis="newer", date=DAY_2), fresh, verdict(source="micro", date=DAY_2)])
    lines = table(made, {fresh.key})
    assert lines[1].endswith(f"now; 2 kept from {DAY_1[:10]} on")
    assert lines[2].endswith(f"  {DAY_2[:10]}")


def test_an_undated_verdict_is_said_to_be_undated():
    made = VerdictStore()
    made.add([verdict(date="")])
    assert table(made, ())[1].endswith("an unknown date")


def test_without_verdicts_only_the_heading_stands():
    assert len(table(VerdictStore(), ())) == 1


def test_each_backend_has_a_line_where_there_are_several():
    made = by_both_backends()
    assert cells(table(made, set(made.verdicts)))[1:] == [
        ["claim1", "published", "1", *["-"] * 7, "now"],
        ["claim1", "gpu/notebook,", "torch", "2", *["-"] * 7, "now"],
        ["claim1", "gpu/notebook,", "jax", "2", *["-"] * 7, "now"],
        ["claim1", "gpu/notebook,", "both", "2", *["-"] * 7, "now"],
    ]
    alone = VerdictStore()
    alone.add([verdict(source="micro", backend="torch")])
    assert cells(table(alone, set(alone.verdicts)))[1][1] == "micro"


def test_each_protocol_of_recipes_has_a_line():
    made = VerdictStore()
    made.add(verdict(source=source) for source in ("gpu/paper", "gpu/notebook", "gpu"))
    assert [row[1] for row in cells(table(made, set(made.verdicts)))[1:]] == ["gpu", "gpu/notebook", "gpu/paper"]


def test_each_answer_is_a_line_with_its_sentence_below():
    made = store()
    lines = answers(made, 60)
    heads = [line for line in lines if not line.startswith("  ")]
    assert heads == ["claim1, published: OPEN", "claim1, micro: CONTRADICTED"]
    assert max(map(len, lines)) <= 60
    sentences = [each.sentence for each in made.answers()]
    below = "\n".join(lines).replace("\n  ", " ").splitlines()
    assert [line.partition(": ")[2] for line in below] == [f"{each.answer} {each.sentence}" for each in made.answers()]
    assert all(sentence.endswith(".") for sentence in sentences)


def test_a_claim_that_states_nothing_has_no_answer():
    made = VerdictStore()
    made.add([verdict(claim="claim2")])
    assert answers(made) == []


def test_refuted_hypotheses_of_the_session_are_listed_with_their_reason_on_record_or_not():
    made = store()
    against = [one for one in made.sorted() if one.verdict in ("REFUTED", "DISAGREES")]
    lines = refuted(made, set(made.verdicts))
    assert len(lines) == len(against) == 3
    for line, one in zip(lines, against, strict=True):
        assert line.startswith(f"{one.verdict} ")
        assert one.reason.partition("; ")[0] in line
    assert refuted(made, {against[0].key}) == lines[:1]
    assert refuted(made, ()) == []


def test_more_refuted_hypotheses_than_fit_are_counted():
    made = VerdictStore()
    made.add(verdict(hypothesis=f"h{k}", verdict="REFUTED") for k in range(MOST_REFUTED + 4))
    lines = refuted(made, set(made.verdicts))
    assert (len(lines), lines[-1]) == (MOST_REFUTED + 1, "and 4 more, in summary.md")


def test_what_changed_is_listed_up_to_a_limit():
    assert changed((), None) == ["what changed against the report before: nothing"]
    changes = tuple(Change("verdict", f"h{k}", "OPEN", "REFUTED") for k in range(MOST_CHANGES + 2))
    lines = changed(changes, "last night")
    assert lines[:2] == ["what changed against last night:", "  verdict of h0: OPEN -> REFUTED"]
    assert (len(lines), lines[-1]) == (MOST_CHANGES + 2, "  and 2 more, in summary.md")


def test_an_answer_s_first_line_has_a_colour_and_no_other_line_has():
    assert colour("claim1, published: SUPPORTED") == {"green": True, "bold": True}
    assert colour("claim1, micro: CONTRADICTED") == {"red": True, "bold": True}
    assert colour("  it is OPEN to debate: OPEN.") == {}
    assert colour("claim1, gpu: NOT TESTED") == {}
