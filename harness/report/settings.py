"""How a verdict's runs were made: every setting of their recipes, and the search for a learning rate."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.claim import RecipeUsed, Searched
from harness.report.labels import number
from harness.report.markup import Html, join, tag


def made(recipes: Sequence[RecipeUsed], searched: Sequence[Searched]) -> Html:
    """Return how runs were made, folded: the recipe of each side beside the other's, and the search; "" for neither."""
    if not recipes and not searched:
        return Html("")
    words = [f"Recipes: {', '.join(dict.fromkeys(used.recipe for used in recipes))}"] if recipes else []
    words += [f"{len(searched)} learning rates tried"] if searched else []
    blocks = join(recipes_used(recipes), search(searched))
    return tag("details", tag("summary", "; ".join(words)), tag("div", blocks, class_="blocks"), class_="evidence")


def recipes_used(listed: Sequence[RecipeUsed]) -> Html:
    """Return each recipe with its settings; those that differ from the paper's are marked."""
    checkpoints: dict[tuple[str, tuple[tuple[str, str, str], ...]], list[str]] = {}
    for used in listed:
        checkpoints.setdefault((used.recipe, used.settings), []).append(used.checkpoint)
    return join(*[recipe(name, rows, of) for (name, rows), of in checkpoints.items()])


def recipe(name: str, rows: Sequence[tuple[str, str, str]], checkpoints: Sequence[str]) -> Html:
    """Return one recipe: of which checkpoints, how far from the paper's, and every setting."""
    differing = sum(bool(papers) for _, _, papers in rows)
    words = f": {differing} of {len(rows)} settings differ from the paper's" if differing else ": as the paper's"
    title = tag("div", tag("b", name), f" for {', '.join(dict.fromkeys(checkpoints))}", words if rows else "")
    return tag("div", title, tag("dl", *[setting(*row) for row in rows], class_="settings"), class_="recipe")


def setting(field: str, value: str, papers: str) -> Html:
    """Return one setting; the paper's value stands behind one that differs."""
    name = tag("dt", field.replace("_", " "), class_="differs" if papers else "")
    if not papers:
        return join(name, tag("dd", value))
    mark = tag("span", " ≠ paper: ", tag("b", papers))
    return join(name, tag("dd", tag("b", value), mark, class_="differs"))


def search(listed: Sequence[Searched]) -> Html:
    """Return the learning rates that were tried, a table for each checkpoint, the chosen one marked."""
    checkpoints = dict.fromkeys(row.checkpoint for row in listed)
    tables = [grid(name, [row for row in listed if row.checkpoint == name]) for name in checkpoints]
    return tag("div", tag("b", "Learning rates tried"), *tables) if tables else Html("")


def grid(checkpoint: str, rows: Sequence[Searched]) -> Html:
    """Return one checkpoint's learning rates with their accuracies on the dev split."""
    heads = ("Rate", "Dev split, %", "", "Runs")
    head = tag("tr", *[tag("th", name, scope="col") for name in heads])
    body = []
    for row in rows:
        shown = "diverged" if row.accuracy is None else number(row.accuracy)
        runs = [join(tag("code", run), " ") for run in row.runs]
        cells = (f"{row.learning_rate:g}", shown, "✓ chosen" if row.chosen else "", join(*runs))
        body.append(
            tag(
                "tr",
                *[tag("td", tag("div", cell), data_column=name) for name, cell in zip(heads, cells, strict=True)],
                class_="chosen" if row.chosen else "",
            )
        )
    caption = tag("caption", checkpoint)
    return tag("table", caption, tag("thead", head), tag("tbody", *body), class_="search")
