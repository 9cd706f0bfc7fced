"""How a verdict's runs were made: every setting of their recipes, and the search for a learning rate."""

from __future__ import annotations

from collections.abc import Sequence

from harness.claim import RecipeUsed, Searched
from harness.report.labels import number
from harness.report.markup import Html, join, tag


def recipes_used(listed: Sequence[RecipeUsed]) -> Html:
    """Return each recipe with its settings folded; those that differ from the paper's are marked."""
    checkpoints: dict[tuple[str, tuple[tuple[str, str, str], ...]], list[str]] = {}
    for used in listed:
        checkpoints.setdefault((used.recipe, used.settings), []).append(used.checkpoint)
    return join(*[recipe(name, rows, of) for (name, rows), of in checkpoints.items()])


def recipe(name: str, rows: Sequence[tuple[str, str, str]], checkpoints: Sequence[str]) -> Html:
    """Return one recipe: of which checkpoints, how far from the paper's, and folded every setting."""
    differing = sum(bool(papers) for _, _, papers in rows)
    words = f" {differing} of {len(rows)} settings differ from the paper's" if differing else " as the paper's"
    title = tag("summary", tag("b", name), f" for {', '.join(dict.fromkeys(checkpoints))}:", words)
    if not rows:
        return tag("div", tag("b", name), f" for {', '.join(dict.fromkeys(checkpoints))}")
    return tag("details", title, tag("dl", *[setting(*row) for row in rows], class_="settings"), class_="recipe")


def setting(field: str, value: str, papers: str) -> Html:
    """Return one setting; the paper's value stands below one that differs."""
    name = tag("dt", field.replace("_", " "), class_="differs" if papers else "")
    if not papers:
        return join(name, tag("dd", value))
    mark = tag("div", "≠ the paper's ", tag("b", papers), class_="small")
    return join(name, tag("dd", tag("b", value), mark, class_="differs"))


def search(listed: Sequence[Searched]) -> Html:
    """Return the learning rates that were tried, a table for each checkpoint, the chosen one marked."""
    checkpoints = dict.fromkeys(row.checkpoint for row in listed)
    return join(*[grid(name, [row for row in listed if row.checkpoint == name]) for name in checkpoints])


def grid(checkpoint: str, rows: Sequence[Searched]) -> Html:
    """Return one checkpoint's learning rates with their accuracies on the dev split."""
    heads = ("Rate", "Dev split, %", "")
    head = tag("tr", *[tag("th", name, scope="col") for name in heads])
    body = []
    for row in rows:
        shown = "diverged" if row.accuracy is None else number(row.accuracy)
        runs = [join(tag("code", run), " ") for run in row.runs]
        cells = (
            join(f"{row.learning_rate:g}", tag("div", *runs, class_="small") if runs else ""),
            shown,
            "✓ chosen" if row.chosen else "",
        )
        body.append(
            tag(
                "tr",
                *[tag("td", tag("div", cell), data_column=name) for name, cell in zip(heads, cells, strict=True)],
                class_="chosen" if row.chosen else "",
            )
        )
    caption = tag("caption", checkpoint)
    return tag("table", caption, tag("thead", head), tag("tbody", *body), class_="search")
