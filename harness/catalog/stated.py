"""A checkpoint as its file, the files beside it, timm's registry and its entry state it together; nothing is guessed.

`complete` fills in what an entry of the user's own leaves out and refuses what contradicts it; `settle` says for a run
that keeps a head which of its outputs stands for which class. What others released is as the project's tables have it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.catalog.checkpoints import is_released
from harness.core.errors import ClaimsError
from harness.core.specs import Checkpoint, Dataset, Recipe
from harness.models import npz_layout
from harness.models.architectures import ViTArchitecture
from harness.models.class_order import head_outputs
from harness.models.companions import OR_A_FUNCTION, Statement, registered, statements_beside
from harness.models.convert import layout_of, rules_of, to_official
from harness.models.load import read_file, with_numerics
from harness.models.npz import Array
from harness.models.released import expected

__all__ = ["complete", "head_outputs", "settle"]

THE_FILE, THE_ENTRY = "the file", "checkpoints.toml"
NPZ = ("vit-npz", "bit-npz")
TRANSFORMERS_DEFAULT = "transformers' default for ViT, 0.5 and 0.5"
AUTHORS = "the authors' convention, 0.5 and 0.5"
KEYS = {"class_names": "classes_file", "timm": "timm"}
"""Keys of an entry for what is stated under another name."""
HEAD_NAMES = ("head.fc", "head", "fc", "classifier")
"""Where networks have their classifier, for files under other names than timm's registry has (ConvNeXt's authors')."""


def complete(found: Checkpoint, path: str | Path) -> Checkpoint:
    """Return a checkpoint of the user's own with what its weights file and the files beside it state.

    The entry, the file, config.json and preprocessor_config.json must agree. What none of them says is taken from
    timm's registry, where the entry names a model of it. The field `stated` of what is returned says where each value
    comes from. A checkpoint of the project's own tables is returned as it is.

    Args:
        found: an entry of checkpoints.toml, or what stands for a file on the command line.
        path: its weights; other files are looked for in the same folder.

    Raises:
        ClaimsError: a malformed file, two places that contradict each other, or no number of heads.
    """
    if is_released(found) or found.stated:
        return found
    held = read_file(path, found.weights, own=bool(found.model))
    path, arrays = held.place.path, held.arrays
    entry = of_entry(found)
    beside = statements_beside(path)
    strong = [entry, *beside]
    timm = found.timm or next((one.timm for one in beside if one.timm), "")
    pytorch = layout_of(arrays) not in NPZ
    usual = registered(timm) if timm and pytorch else None
    if found.timm and pytorch and usual is None:
        raise ClaimsError(
            f"{found.id}: timm: expected a model that timm knows, found {found.timm!r}; correct its entry"
            f"{OR_A_FUNCTION}"
        )
    if found.semantics == "timm" or (pytorch and rules_of(arrays) is None):
        if not timm:
            first = min(arrays, default="nothing")
            raise ClaimsError(
                f"{found.id}: expected a ViT, hybrid or BiT, or timm's name of the model, found {first} in {path}; add"
                ' timm = "NAME" to its entry'
            )
        found = replace(found, semantics="timm", timm=timm)
        strong.append(of_timm_file(arrays, timm))
    else:
        strong.append(of_file(found, arrays, heads_of(found, arrays, strong, usual, path), path))
    return with_numerics(merged(found, strong, usual, layout_of(arrays)), held.config)


def of_entry(found: Checkpoint) -> Statement:
    """Return what an entry states."""
    names = found.class_names or (names_in(found) if found.classes_file else ())
    return Statement(
        THE_ENTRY,
        heads=found.heads,
        resolution=found.resolution,
        classes=found.classes,
        mean=three(found.mean),
        std=three(found.std),
        interpolation=found.interpolation or None,
        resize=found.resize or ("short side" if found.crop_share is not None else None),
        crop_share=found.crop_share,
        class_names=names or None,
    )


def three(value: float | tuple[float, float, float] | None) -> tuple[float, float, float] | None:
    """Return a number of every channel three times."""
    return (value, value, value) if isinstance(value, (int, float)) else value


def names_in(found: Checkpoint) -> tuple[str, ...]:
    """Return the class names of an entry's `classes_file`, one a line.

    Raises:
        ClaimsError: it can't be read, or a line is empty.
    """
    path = Path(found.classes_file).expanduser()
    where = f"{found.id}: classes_file {path}"
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ClaimsError(f"{where}: expected a text file with one class name per line, found: {reason}") from None
    names = tuple(line.strip() for line in lines)
    if not names or "" in names:
        empty = names.index("") + 1 if names else 1
        raise ClaimsError(f"{where}: expected a class name in every line, found none in line {empty}; correct the file")
    return names


def heads_of(
    found: Checkpoint, arrays: Any, stated: Iterable[Statement], usual: Statement | None, path: Path
) -> int | None:
    """Return the attention heads of a PyTorch file's transformer; None for what says itself or has none.

    Raises:
        ClaimsError: two places contradict each other, or none says it.
    """
    if layout_of(arrays) in NPZ or not any("attention" in name or ".attn." in name for name in arrays):
        return None
    heads, _ = agreed(found, "heads", stated)
    named = expected(found)
    if heads is None and isinstance(named, ViTArchitecture):
        heads = named.heads
    if heads is None and usual is not None:
        heads = heads_in_timm(usual.timm or "")
    if heads is None:
        raise ClaimsError(
            f"{found.id}: expected the number of attention heads, found none in {path} nor in a config.json beside it;"
            " add heads = N to its entry in checkpoints.toml"
        )
    return int(heads)


def heads_in_timm(name: str) -> int | None:
    """Return the number of attention heads of a timm model; None if it is not a plain transformer."""
    import timm
    import torch

    with torch.device("meta"):
        blocks = getattr(timm.create_model(name, pretrained=False), "blocks", None)
    heads = getattr(getattr(blocks[0], "attn", None), "num_heads", None) if blocks is not None and len(blocks) else None
    return heads if isinstance(heads, int) else None


def of_file(found: Checkpoint, arrays: dict[str, Array] | Any, heads: int | None, path: Path) -> Statement:
    """Return what the arrays of a ViT, hybrid or BiT state; its resolution follows from the positional embedding."""
    official = to_official(arrays, classes=found.classes or 1, heads=heads, where=str(path))
    held = npz_layout.describe(official, str(path))
    head = any(name.startswith(("head", "resnet/head", "classifier")) for name in arrays)
    resolution = None
    if isinstance(held, ViTArchitecture):
        if held.resolution[0] != held.resolution[1]:
            raise ClaimsError(f"{found.id}: expected a square input, found {held.resolution}")
        resolution = held.resolution[0]
    return Statement(
        THE_FILE,
        heads=held.heads if isinstance(held, ViTArchitecture) else None,
        resolution=resolution,
        classes=held.classes if head else None,
        channels=held.channels,
    )


def of_timm_file(arrays: Any, timm: str) -> Statement:
    """Return what the tensors of a timm network reveal: the size of its head and, for a plain ViT, of its input."""
    from harness.models.torch.timm_models import classifier_of, side_of

    heads = (f"{name}.weight" for name in (*classifier_of(timm), *HEAD_NAMES))
    head = next((arrays[name] for name in heads if name in arrays), None)
    return Statement(THE_FILE, resolution=side_of(arrays), classes=None if head is None else int(head.shape[0]))


def agreed(found: Checkpoint, field: str, stated: Iterable[Statement]) -> tuple[Any, str]:
    """Return a field's value, on which all places that state it agree, and the first of them; (None, "") if none does.

    Raises:
        ClaimsError: two of them contradict each other.
    """
    said = [(getattr(one, field), one.where) for one in stated if getattr(one, field) is not None]
    for value, where in said[1:]:
        if value != said[0][0]:
            key = KEYS.get(field, field)
            raise ClaimsError(
                f"{found.id}: {key}: expected one value, found {shown(said[0][0])} in {said[0][1]} and"
                f" {shown(value)} in {where}; correct one of them"
            )
    return said[0] if said else (None, "")


def shown(value: Any) -> str:
    """Return a value for a message; of many names the first."""
    if isinstance(value, tuple):
        few = ", ".join(map(str, value[:3]))
        return f"{len(value)} ({few}, ...)" if len(value) > 3 else few
    return str(value)


def merged(found: Checkpoint, strong: Sequence[Statement], usual: Statement | None, layout: str) -> Checkpoint:
    """Return a checkpoint with everything that is stated about it, and where each value comes from.

    Raises:
        ClaimsError: two places contradict each other.
    """
    places: dict[str, str] = {}

    def value(field: str, what: str = "", weak: bool = True) -> Any:
        said, where = agreed(found, field, strong)
        if said is None and weak and usual is not None:
            said, where = getattr(usual, field), usual.where
        if said is not None:
            places[what or field] = where
        return said

    agreed(found, "channels", strong)
    classes = value("classes", weak=False)
    names = names_of(found, strong, usual, classes, places)
    mean, std = value("mean", "normalisation"), value("std", "normalisation")
    if mean is None or std is None:
        mean = std = None
        default = {"transformers": TRANSFORMERS_DEFAULT, "vit-npz": AUTHORS, "bit-npz": AUTHORS}.get(layout)
        places.pop("normalisation", None)
        if default:
            places["normalisation"] = default
    heads, resolution = value("heads", weak=False), value("resolution")
    for one in (*strong, *filter(None, (usual,))):
        if resolution is None and one.usual_resolution is not None:
            resolution, places["resolution"] = one.usual_resolution, one.where
    interpolation, resize, share = value("interpolation"), value("resize", "crop"), value("crop_share", "crop")
    return replace(
        found,
        # The authors' files say it themselves, and names of released architectures do.
        heads=None if layout in NPZ or expected(found) is not None else heads,
        resolution=resolution,
        classes=classes,
        mean=mean,
        std=std,
        interpolation=interpolation or "",
        resize=resize or "",
        crop_share=share if resize == "short side" else None,
        class_names=names,
        stated=tuple(places.items()),
    )


def names_of(
    found: Checkpoint, strong: Sequence[Statement], usual: Statement | None, classes: int | None, places: dict[str, str]
) -> tuple[str, ...]:
    """Return the names of a head's outputs in order; () where nothing names them, or the file has no head.

    Raises:
        ClaimsError: two places contradict each other, or there are more or fewer names than outputs.
    """
    if not any(one.where == THE_FILE and one.classes for one in strong):
        return ()
    names, where = agreed(found, "class_names", strong)
    if names is None and usual is not None and usual.class_names and len(usual.class_names) == classes:
        names, where = usual.class_names, usual.where
    if names is None:
        return ()
    if len(names) != classes:
        raise ClaimsError(
            f"{found.id}: expected a class name for each of the head's {classes:,} outputs, found {len(names):,} in"
            f" {where}; correct it"
        )
    places["class names"] = where
    return tuple(names)


def settle(found: Checkpoint, dataset: Dataset, recipe: Recipe) -> dict[str, Any]:
    """Return the fields of a run that say which output of a kept head stands for which class.

    Every place that builds a run calls this: `Run(..., **settle(checkpoint, dataset, recipe))`. Empty where a new head
    is trained. Heads of released checkpoints have their outputs in the order of the published classes.

    Args:
        found: completed, if it is the user's own.
        dataset: what is scored; its images are looked at where the names of its classes are needed.
        recipe: resolved.

    Raises:
        ClaimsError: nothing settles it, with what to add; or the dataset's class names can't be read.
    """
    if not recipe.evaluates_only:
        return {}
    if is_released(found):
        return {"class_order": "the published order of the classes"}
    from harness.catalog.datasets import class_names

    if not dict(found.stated).get("normalisation") and found.stated:
        raise ClaimsError(
            f"{found.id}: expected a stated normalisation of the input, found none; add mean = [...] and"
            " std = [...] (of levels 0 to 1) to its entry in checkpoints.toml, or timm's name of the model"
        )
    outputs, where = head_outputs(found, class_names(dataset), dataset.id)
    return {"outputs": outputs, "class_order": where}
