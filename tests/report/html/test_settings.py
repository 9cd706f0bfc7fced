import re

from markupsafe import escape

from harness.core.verdict import RecipeUsed, Searched
from harness.report.html import page
from harness.report.html.page_rows import Context, verdict_row
from harness.report.html.settings import Rate, Search, recipe_blocks, searches
from harness.report.serialise import from_json, to_json
from harness.report.verdict_store import VerdictStore
from tests.report.html.test_page import Outline, part, text_of
from tests.report.samples import CLAIM_1, NASTY, SEARCHED, SETTINGS, by_both_backends, verdict


def section_of(**changes):
    """Return the claims section of one verdict."""
    made = VerdictStore()
    made.add([CLAIM_1, verdict(source="gpu/notebook", **changes)])
    return page.section(made)


def made_below(**changes):
    """Return the row of the page that says which learning rates were tried."""
    return re.search(r'<tr class="made">.*?</td></tr>(?=</tbody></table><p)', section_of(**changes))[0]


def recipes(**changes):
    """Return the fold with every setting of the recipes."""
    return re.search(r'<details class="evidence recipes">.*?</details>', section_of(**changes))[0]


def test_every_setting_is_shown_and_what_differs_from_the_paper_is_marked():
    shown = recipes(recipes=(RecipeUsed("vit-l16-in21k", "notebook-vit", SETTINGS),))
    text = text_of(shown)
    assert "notebook-vit for vit-l16-in21k: 4 of 7 settings differ from the paper's" in text
    assert "batch size32 ≠ paper: 512" in text
    assert "schedulecosine" in text
    assert "flipno ≠ paper: not stated; yes in the authors' code" in text
    assert shown.count("≠") == sum(bool(papers) for _, _, papers in SETTINGS) == 4
    assert len(re.findall("<dt", shown)) == len(SETTINGS)
    assert shown.count('<dd class="differs">') == 4


def test_a_recipe_that_is_the_papers_says_so_and_two_checkpoints_share_one():
    same = (("momentum", "0.9", ""),)
    (shared,) = recipe_blocks([RecipeUsed("a", "paper", same), RecipeUsed("b", "paper", same)])
    assert (shared.name, shared.checkpoints, shared.distance) == ("paper", "a, b", ": as the paper's")
    assert [(one.field, one.value) for one in shared.settings] == [("momentum", "0.9")]
    (bare,) = recipe_blocks([RecipeUsed("a", "paper")])
    assert (bare.checkpoints, bare.distance) == ("a", "")


def test_the_search_is_a_table_with_the_choice_marked():
    shown = made_below(searched=SEARCHED)
    assert text_of(shown).endswith(
        "Learning rates triedvit-l16-in21kRateDev split, %Runs0.00197.3000000000000000a1 "
        "0.00398.12✓ chosen00000000000000a2 0.01diverged00000000000000a3 "
    )
    assert shown.count('<tr class="chosen">') == 1
    two = made_below(searched=(*SEARCHED, Searched("bit-m-r152x4", 0.003, 95.0, True)))
    assert two.count("<table") == 2
    assert two.count("<caption>") == 2


def test_learning_rates_are_listed_by_checkpoint():
    found = searches([*SEARCHED[:1], Searched("bit-m-r152x4", 0.003, 95.0, True)])
    assert found == (
        Search("vit-l16-in21k", (Rate("0.001", "97.30", False, ("00000000000000a1",)),)),
        Search("bit-m-r152x4", (Rate("0.003", "95.00", True, ()),)),
    )


def test_a_verdict_carries_its_recipes_through_the_record():
    for one in by_both_backends().sorted():
        assert from_json(type(one), to_json(one), "here") == one


def test_a_record_from_before_recipes_were_kept_still_loads():
    import json

    values = json.loads(to_json(verdict()))
    for name in ("backend", "recipes", "searched"):
        del values[name]
    assert from_json(type(verdict()), json.dumps(values), "here") == verdict()


def test_nasty_settings_are_escaped():
    odd = verdict(
        source=f"gpu/{NASTY}@{NASTY}",
        backend=NASTY,
        recipes=(RecipeUsed(NASTY, NASTY, ((NASTY, NASTY, NASTY),)),),
        searched=(Searched(NASTY, 0.1, None, True, (NASTY,)),),
    )
    made = VerdictStore()
    made.add([CLAIM_1, odd, verdict(source="gpu/x@jax", recipes=(RecipeUsed(NASTY, NASTY),))])
    shown = page.section(made)
    assert "<img" not in shown
    assert "<script" not in shown
    assert shown.count(str(escape(NASTY))) >= 8
    assert Outline(shown).open == []


def rows_of(markup):
    return re.findall(r'<tr class="row-[^"]*"[^>]*>.*?</tr>', markup)


def test_both_backends_stand_under_one_another_for_each_hypothesis():
    gpu = part(page.section(by_both_backends()), "Released checkpoints (gpu)")
    assert gpu.count('class="sources"') == 1
    found = [
        re.search(r'class="by">(.*?)</div>.*?class="hypothesis">(.*?)</div>', row).groups()[::-1]
        for row in rows_of(gpu)
    ]
    assert [(hypothesis.split(" on ")[1], by) for hypothesis, by in found] == [
        *[("CIFAR-10", "torch"), ("CIFAR-10", "jax"), ("CIFAR-10", "do both agree?")],
        *[("Oxford-IIIT Pets", "torch"), ("Oxford-IIIT Pets", "jax"), ("Oxford-IIIT Pets", "do both agree?")],
    ]
    assert gpu.count('<tr class="made goes-on">') == 4
    assert gpu.count('<tr class="made">') == 2


def test_counts_are_apart_for_each_backend():
    shown = page.section(by_both_backends())
    head = text_of(re.findall(r"<h4>.*?</h4>", shown)[-1])
    assert head.count("✓ 2 reproduced") == 3
    assert "do both agree? ✓ 2" in head


def test_one_backend_is_named_beside_its_source():
    made = VerdictStore()
    made.add([CLAIM_1, verdict(source="gpu/paper", backend="torch"), verdict(source="micro")])
    shown = page.section(made)
    assert '<span class="source">gpu/paper, torch</span>' in shown
    assert '<span class="source">micro</span>' in shown
    assert 'class="by"' not in shown


def test_a_row_names_its_recipes_and_the_search_stands_below_it():
    shown = part(page.section(by_both_backends()), "Released checkpoints (gpu)")
    row = text_of(next(iter(rows_of(shown))))
    assert "recipe notebook-vit: 4 of 7 settings differ from the paper's" in row
    assert "recipe notebook-bit: as the paper's" in row
    below = re.findall(r'<tr class="made">.*?</details></td></tr>', shown)[-1]
    assert text_of(below).startswith("3 learning rates tried")
    assert "✓ chosen" in below
    assert 'colspan="8"' in below
    # Every setting is listed once, however many verdicts rest on it.
    assert shown.count("for vit-l16-in21k") == 1
    assert verdict_row(verdict(), Context()).made_by is None
