"""Which output of a head stands for which class of a dataset: matched by name or by number, never guessed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from harness.core.errors import ClaimsError
from harness.core.specs import Checkpoint

NUMERIC = "numeric class names in numeric order"


def head_outputs(found: Checkpoint, class_names: Sequence[str], dataset: str = "") -> tuple[tuple[int, ...], str]:
    """Return the head's output for each class of a dataset, and what settles it.

    The checkpoint's class names are matched to the dataset's whatever their case and separators. The dataset may have
    fewer classes than the head: predictions are over the whole head, and one of a class that the dataset has not is
    wrong. Without names of the checkpoint's, class names that are the numbers 0 ... n-1 or 1 ... n (alone, or each
    after the same word) are taken in numeric order where the head has n outputs.

    Args:
        found: a checkpoint with its head's `classes`, and `class_names` where they are known.
        class_names: of the dataset, in the order of its labels.
        dataset: its id, for messages.

    Returns:
        Outputs (one a class), () where output n is class n of all; and the source in words.

    Raises:
        ClaimsError: a name that matches no output or several, or nothing that settles the order.
    """
    if found.class_names:
        where = dict(found.stated).get("class names", "class_names")
        return plain(by_name(found, class_names, dataset), len(found.class_names)), f"{where}, by name"
    numbers = numbered(class_names)
    first = min(numbers, default=0)
    if numbers and sorted(numbers) == list(range(first, first + len(numbers))) and first < 2:
        if found.classes not in (None, len(numbers)):
            raise unsettled(found, dataset, f"a head of {found.classes:,} outputs for {len(numbers):,} numbers")
        return plain(tuple(number - first for number in numbers), len(numbers)), NUMERIC
    raise unsettled(found, dataset, f"class names such as {class_names[0]!r} and no names of the outputs")


def numbered(class_names: Sequence[str]) -> tuple[int, ...]:
    """Return the numbers that all class names are, or end in after the same word (class_0, class_1); () otherwise."""
    matches = [re.fullmatch(r"(.*?)([0-9]{1,9})", normal_text(name)) for name in class_names]
    words = {match[1].strip() for match in matches if match}
    return tuple(int(match[2]) for match in matches if match) if None not in matches and len(words) == 1 else ()


def by_name(found: Checkpoint, class_names: Sequence[str], dataset: str) -> tuple[int, ...]:
    """Return the output of each class by its name.

    Raises:
        ClaimsError: a name that matches none or several.
    """
    labels = [normal(name) for name in found.class_names]
    counts = Counter(labels)
    own = Counter(map(normal, class_names))
    places = {label: output for output, label in enumerate(labels)}
    for name in class_names:
        key = normal(name)
        count = counts[key]
        if count != 1 or own[key] != 1:
            what = "none" if count == 0 else f"{count} of that name" if count > 1 else f"{own[key]} classes for it"
            raise ClaimsError(
                f"{found.id} on {dataset}: expected one output of the head for the class {name!r}, found {what} among"
                f" {len(labels):,} ({', '.join(found.class_names[:3])}, ...); rename the class, or add classes_file"
                " (one class name per line, in the order of the outputs) to the entry in checkpoints.toml"
            )
    return tuple(places[normal(name)] for name in class_names)


def normal(name: str) -> str:
    """Return a class name without case and separators; numbers without leading zeros."""
    text = normal_text(name)
    return str(int(text)) if re.fullmatch(r"[0-9]{1,9}", text) else text


def normal_text(name: str) -> str:
    """Return a name in lower case, its words separated by one space."""
    return " ".join(re.split(r"[\s_-]+", name.casefold())).strip()


def plain(outputs: tuple[int, ...], size: int) -> tuple[int, ...]:
    """Return () for outputs that are all of a head's in order."""
    return () if outputs == tuple(range(size)) else outputs


def unsettled(found: Checkpoint, dataset: str, what: str) -> ClaimsError:
    """Return the error for a head whose order nothing settles."""
    return ClaimsError(
        f"{found.id} on {dataset}: expected a known class for each output of the head, found {what}; add classes_file"
        " (one class name per line, in the order of the outputs) to its entry in checkpoints.toml"
    )
