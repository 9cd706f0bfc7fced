"""What the files beside a checkpoint's weights, and timm's registry, state about it.

transformers writes config.json and preprocessor_config.json, timm a config.json of its own with "pretrained_cfg". Each
gives a `Statement`; what it does not say is None.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.core.errors import ClaimsError
from harness.models.json_files import read_object

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
Numbers = tuple[float, float, float]
PILLOW = {2: "bilinear", 3: "bicubic", "bilinear": "bilinear", "bicubic": "bicubic"}
"""Interpolations that evaluation can do, by Pillow's codes and by name."""
PILLOW_CODES = {0: "nearest", 1: "lanczos", 4: "box", 5: "hamming"}
OR_A_FUNCTION = ', or name a function of the folder that makes it: model = "my_models:net"'
"""What to do about a network that timm does not know, e.g. one of transformers."""
PLACEHOLDER = "LABEL_"
"""transformers' own label of output n, where nobody gave one, is LABEL_n."""
LEVELS = 255


@dataclass(frozen=True)
class Statement:
    """What one place states of a checkpoint."""

    where: str
    """The place as the record of a run names it, e.g. "config.json"."""
    heads: int | None = None
    resolution: int | None = None
    """Side of its input in pixels."""
    usual_resolution: int | None = None
    """The side that weights under this name have, where the file at hand may have another."""
    classes: int | None = None
    channels: int | None = None
    mean: Numbers | None = None
    std: Numbers | None = None
    interpolation: str | None = None
    """ "bilinear" or "bicubic"."""
    resize: str | None = None
    """ "square" or "short side"."""
    crop_share: float | None = None
    class_names: tuple[str, ...] | None = None
    """In the order of the head's outputs."""
    timm: str | None = None
    """timm's name of the model."""


def statements_beside(weights: Path) -> list[Statement]:
    """Return what the files beside a weights file state; none where there are none.

    Raises:
        ClaimsError: one that is malformed, with the file, the key and what was expected.
    """
    found = []
    for name, read in ((CONFIG, config), (PREPROCESSOR, preprocessor)):
        path = weights.parent / name
        if path.is_file():
            found.append(read(read_object(path), Place(str(path), name)))
    return found


@dataclass(frozen=True)
class Place:
    """Where a value is read: the file for messages, and its name for the record."""

    path: str
    name: str

    def refuse(self, key: str, expected: str, found: Any) -> ClaimsError:
        """Return the error for a value that its key can't have."""
        return ClaimsError(f"{self.path}: {key}: expected {expected}, found {found!r}; correct the file")

    def count(self, table: Mapping[str, Any], key: str) -> int | None:
        """Return a positive integer, or None if the key is not there."""
        value = table.get(key)
        if value is not None and (type(value) is not int or value < 1):
            raise self.refuse(key, "a positive integer", value)
        return value

    def side(self, key: str, value: Any) -> int | None:
        """Return the side of a square input: a number, [n, n] or {"height": n, "width": n}."""
        if isinstance(value, Mapping):
            value = [value.get("height"), value.get("width")]
        if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
            if value[0] != value[1]:
                raise ClaimsError(f"{self.path}: {key}: expected a square input, found {value[0]} x {value[1]}")
            value = value[0]
        return self.count({key: value}, key)

    def numbers(self, table: Mapping[str, Any], key: str, least: float) -> Numbers | None:
        """Return three numbers, one for each channel, each from 0 to 1; one stands for three."""
        value = table.get(key)
        if value is None:
            return None
        listed = [value] * 3 if isinstance(value, (int, float)) else value
        fitting = isinstance(listed, list) and len(listed) == 3 and all(type(one) in (int, float) for one in listed)
        if not fitting or not all(least <= one <= 1 for one in listed):
            raise self.refuse(key, f"three numbers from {least:g} to 1", value)
        return (float(listed[0]), float(listed[1]), float(listed[2]))

    def interpolation(self, table: Mapping[str, Any], key: str) -> str | None:
        """Return a resize's interpolation by name."""
        value = table.get(key)
        if value is None:
            return None
        if not isinstance(value, (int, str)) or value not in PILLOW:
            raise self.refuse(key, "bilinear (2) or bicubic (3)", PILLOW_CODES.get(value, value))
        return PILLOW[value]


def config(table: Mapping[str, Any], place: Place) -> Statement:
    """Return what a config.json of transformers' or timm's states."""
    if "pretrained_cfg" in table or ("architecture" in table and "model_type" not in table):
        return timm_config(table, place)
    size = table.get("image_size")
    return Statement(
        place.name,
        heads=place.count(table, "num_attention_heads"),
        resolution=None if size is None else place.side("image_size", size),
        channels=place.count(table, "num_channels"),
        class_names=labels(table, place),
    )


def labels(table: Mapping[str, Any], place: Place) -> tuple[str, ...] | None:
    """Return the labels of id2label in the order of their numbers; None where nobody gave any.

    Raises:
        ClaimsError: its keys are not 0, 1, 2, ...
    """
    found = table.get("id2label")
    if not found:
        return None
    if not isinstance(found, dict):
        raise place.refuse("id2label", "a table of labels by number", found)
    try:
        by_number = {int(number): str(label) for number, label in found.items()}
    except ValueError:
        raise place.refuse("id2label", "numbers as keys", min(found)) from None
    if sorted(by_number) != list(range(len(found))):
        raise place.refuse("id2label", f"the numbers 0 to {len(found) - 1}", sorted(by_number)[:5])
    names = tuple(by_number[number] for number in range(len(by_number)))
    return None if all(name == f"{PLACEHOLDER}{number}" for number, name in enumerate(names)) else names


def timm_config(table: Mapping[str, Any], place: Place) -> Statement:
    """Return what a config.json that timm writes for the hub states."""
    cfg = table.get("pretrained_cfg") or {}
    arguments = table.get("model_args") or {}
    if not isinstance(cfg, dict) or not isinstance(arguments, dict):
        raise place.refuse("pretrained_cfg and model_args", "tables", cfg if not isinstance(cfg, dict) else arguments)
    names = table.get("label_names", cfg.get("label_names"))
    if names is not None and (not isinstance(names, list) or not all(isinstance(name, (str, int)) for name in names)):
        raise place.refuse("label_names", "a list of names", names)
    architecture = table.get("architecture", cfg.get("architecture"))
    if architecture is not None and not isinstance(architecture, str):
        raise place.refuse("architecture", "timm's name of a model", architecture)
    said = pretrained(cfg, place)
    image = arguments.get("img_size")
    return Statement(
        place.name,
        heads=place.count(arguments, "num_heads"),
        resolution=None if image is None else place.side("model_args.img_size", image),
        usual_resolution=said.usual_resolution,
        classes=place.count({"num_classes": table.get("num_classes") or None}, "num_classes"),  # 0: no head
        channels=said.channels,
        mean=said.mean,
        std=said.std,
        interpolation=said.interpolation,
        resize=said.resize,
        crop_share=said.crop_share,
        class_names=None if not names else tuple(map(str, names)),
        timm=architecture,
    )


def pretrained(cfg: Mapping[str, Any], place: Place) -> Statement:
    """Return what timm's pretrained_cfg states of a network's input.

    timm resizes the short side to floor(side / crop_pct) and crops the centre ("center"), or stretches ("squash").
    """
    size = cfg.get("input_size")
    if size is not None and (not isinstance(size, (list, tuple)) or len(size) != 3):
        raise place.refuse("input_size", "channels, height and width", size)
    share, mode = cfg.get("crop_pct"), cfg.get("crop_mode") or "center"
    if share is not None and (type(share) not in (int, float) or not 0 < share <= 1):
        raise place.refuse("crop_pct", "a share above 0 and at most 1", share)
    if mode not in ("center", "squash"):
        raise place.refuse("crop_mode", '"center" or "squash"', mode)
    resize = None if share is None else "short side" if mode == "center" else "square"
    return Statement(
        place.name,
        usual_resolution=None if size is None else place.side("input_size", list(size[1:])),
        channels=None if size is None else place.count({"input_size": size[0]}, "input_size"),
        mean=place.numbers({"mean": listed(cfg.get("mean"))}, "mean", 0),
        std=place.numbers({"std": listed(cfg.get("std"))}, "std", 1e-6),
        interpolation=place.interpolation(cfg, "interpolation"),
        resize=resize,
        crop_share=float(share) if share is not None and resize == "short side" else None,
    )


def listed(value: Any) -> Any:
    """Return a tuple as a list, any other value unchanged: the registry has tuples where its JSON has lists."""
    return list(value) if isinstance(value, tuple) else value


def preprocessor(table: Mapping[str, Any], place: Place) -> Statement:
    """Return what a preprocessor_config.json of transformers' states.

    Raises:
        ClaimsError: malformed, or levels that are scaled otherwise than by 1/255.
    """
    factor = table.get("rescale_factor", 1 / LEVELS)
    scaled = type(factor) in (int, float) and abs(factor * LEVELS - 1) < 1e-4
    if table.get("do_rescale") is False or not scaled:
        raise place.refuse("rescale_factor", "levels scaled by 1/255", factor if not scaled else "do_rescale false")
    plain = table.get("do_normalize") is False
    resizes = table.get("do_resize") is not False
    resize, side, share = geometry(table, place) if resizes else (None, None, None)
    return Statement(
        place.name,
        resolution=side,
        mean=(0.0, 0.0, 0.0) if plain else place.numbers(table, "image_mean", 0),
        std=(1.0, 1.0, 1.0) if plain else place.numbers(table, "image_std", 1e-6),
        interpolation=place.interpolation(table, "resample") if resizes else None,
        resize=resize,
        crop_share=share,
    )


def geometry(
    table: Mapping[str, Any], place: Place
) -> tuple[Literal["square", "short side"] | None, int | None, float | None]:
    """Return how a preprocessor resizes, the side of what it gives, and its crop's share of the short side.

    ConvNeXt's scales the short side to floor(side / crop_pct) below 384 pixels, and stretches from there on.
    """
    size, crop = table.get("size"), table.get("crop_size")
    if size is None:
        return None, None, None
    crops = crop is not None and table.get("do_center_crop") is not False
    short = size.get("shortest_edge") if isinstance(size, Mapping) else size if crops else None
    if short is None:
        side = place.side("size", size)
        if crops and place.side("crop_size", crop) != side:
            raise place.refuse("crop_size", f"the size, {side}, where the image is stretched", crop)
        return "square", side, None
    short = place.count({"shortest_edge": short}, "shortest_edge")
    assert short is not None
    if table.get("crop_pct") is not None:
        share = pretrained({"crop_pct": table["crop_pct"]}, place).crop_share
        return ("short side", short, share) if short < 384 else ("square", short, None)
    if not crops:
        raise place.refuse("crop_size", "a centre crop where the short side is scaled", crop)
    side = place.side("crop_size", crop)
    if side is None or side > short:
        raise place.refuse("crop_size", f"at most the short side, {short}", crop)
    return "short side", side, side / short


def registered(name: str) -> Statement | None:
    """Return what timm's registry states of the weights it has under a name; None for a name that it does not know.

    Importing timm takes seconds: this is for what a user owns.
    """
    import timm
    from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset
    from timm.models import get_pretrained_cfg

    if not timm.is_model(name):
        return None
    place = Place(f"timm's pretrained_cfg of {name}", "timm's pretrained_cfg")
    cfg = get_pretrained_cfg(name) or get_pretrained_cfg(name.split(".")[0])
    if cfg is None:
        return Statement(place.name, timm=name)
    values: dict[str, Any] = dataclasses.asdict(cfg)
    said = pretrained(values, place)
    subset = infer_imagenet_subset(values) if "." in name else None
    return Statement(
        place.name,
        usual_resolution=said.usual_resolution,
        classes=values.get("num_classes") or None,
        mean=said.mean,
        std=said.std,
        interpolation=said.interpolation,
        resize=said.resize,
        crop_share=said.crop_share,
        class_names=tuple(map(str, ImageNetInfo(subset).label_names())) if subset else None,  # type: ignore[no-untyped-call]
        timm=name,
    )
