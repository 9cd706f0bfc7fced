"""Which of a file's tensors are the weights: one of several sets, without the name prefixes of training scripts.

A training checkpoint may hold a model and the moving average of its weights, a student and a teacher, the
optimiser's state. Nested dictionaries name the sets ("model", "model_ema"), or the names' beginnings do
("teacher.backbone.", "opt/target/"). Where there are several, the user says which.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

from harness.core.errors import ClaimsError, nearest

T = TypeVar("T")

ANCHORS = re.compile(
    r"(?P<prefix>(?:.*[./])?)"
    r"(?:patch_embed\.proj\.weight"  # timm's ViT and hybrid
    r"|embeddings\.patch_embeddings\.projection\.weight"  # transformers
    r"|embeddings\.patch_embeddings\.weight"  # jeonsworld/ViT-pytorch
    r"|stages\.0\.blocks\.0\.conv(?:1|_dw)\.weight"  # timm's BiT and ConvNeXt
    r"|downsample_layers\.0\.0\.weight"  # ConvNeXt's authors
    r"|embedding/kernel|resnet/root_block/standardized_conv2d/kernel)"  # the authors' npz files
)
"""A tensor that every network of a layout has once: what stands before its name is the set's prefix."""
INSIDE = "patch_embed.backbone."
"""A hybrid's ResNet, which has the names of a BiT within the network."""
OPTIMISER = re.compile(r"(?:opt|opt_state|optimizer|optimizer_state|optim)[./](?!target/)")
"""Prefixes of an optimiser's moments, which have the names of the weights. flax.optim keeps the weights themselves
in opt/target/ (vit_jax/checkpoint.py reads these files)."""
TRANSPARENT = re.compile(r"(?<![^./])(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""What torch.compile and FSDP put before the names of the modules that they wrap, at any depth."""
WRAPPERS = ("module", "model", "net", "network", "timm_model")
"""What stands before all names of a network that was wrapped by DataParallel, Lightning, transformers or a script."""
TOP = "top"
"""The name of a set that has none, where there are others."""
COUNTERS = ("num_batches_tracked", "n_averaged")
"""Integers in a state dict that count and weigh nothing: batch norm's, and torch.optim.swa_utils.AveragedModel's."""


def choose(sets: Mapping[str, Mapping[str, T]], wanted: str = "", where: str = "") -> tuple[str, dict[str, T]]:
    """Return the name of a set of weights and its tensors under the names that the network gives them.

    Args:
        sets: named tensors by the name of their set, as `split` returns them.
        wanted: the name of the set; "": the only one.
        where: the place they come from, for error messages.

    Raises:
        ClaimsError: several sets and no name, or none of this name; one parameter under two names.
    """
    prefix = f"{where}: " if where else ""
    if wanted:
        if wanted not in sets:
            there = ", ".join(name or "one without a name" for name in sets) or "none"
            raise ClaimsError(
                f"{prefix}expected the weights {wanted!r}{nearest(wanted, sets)}, found these sets: {there}; correct"
                " `weights`, or leave it out where there is one set"
            )
    elif len(sets) != 1:
        *_, last = names = sorted(sets)
        raise ClaimsError(
            f"{prefix}expected one set of weights, found {len(sets)}: {', '.join(names)}; say which with"
            f' weights = "{last}" in checkpoints.toml or --weights {last}'
        )
    name = wanted or next(iter(sets))
    return name, bare(sets[name], prefix)


def split(nested: Mapping[str, Mapping[str, T]], by_names: bool = True) -> dict[str, dict[str, T]]:
    """Return every set of weights by name.

    Args:
        nested: named tensors by the path of the dictionary that holds them; "" for a file's own names.
        by_names: whether the beginnings of names tell sets apart, too. In a network that nothing is known of, layers
            that all have a weight and a bias look like sets.
    """
    found: dict[str, dict[str, T]] = {}
    for place, tensors in _of_networks(nested).items():
        for prefix, part in (_by_prefix(tensors) if by_names else {"": dict(tensors)}).items():
            found[".".join(one for one in (place, prefix.rstrip("./")) if one)] = part
    return {name or TOP: part for name, part in found.items()} if len(found) > 1 else found


def _of_networks(nested: Mapping[str, Mapping[str, T]]) -> dict[str, Mapping[str, T]]:
    """Return the dictionaries that hold networks, not statistics, losses or scalars.

    These are the ones with a tensor that all networks of a layout have; where no layout is known, those that are at
    least half as large as the largest.
    """
    nested = {place: tensors for place, tensors in nested.items() if not OPTIMISER.match(f"{place}.")}
    named = {place: tensors for place, tensors in nested.items() if _prefixes(tensors)}
    if named:
        return named
    largest = max((len(tensors) for tensors in nested.values()), default=0)
    return {place: tensors for place, tensors in nested.items() if 2 * len(tensors) >= largest}


def _prefixes(names: Iterable[str]) -> list[str]:
    matches = (ANCHORS.fullmatch(name) for name in names)
    found = {match["prefix"]: None for match in matches if match and not match["prefix"].endswith(INSIDE)}
    return sorted(prefix for prefix in found if not OPTIMISER.match(prefix))


def _by_prefix(tensors: Mapping[str, T]) -> dict[str, dict[str, T]]:
    """Return the sets that are told apart by their names' beginnings; one without a name if there is one."""
    prefixes = _prefixes(tensors) or _twins(tensors)
    if len(prefixes) == 1 and prefixes[0].endswith("/"):  # a tree of training: its other branches are no weights
        return {prefixes[0]: _under(prefixes[0], tensors)}
    if len(prefixes) < 2:
        return {"": dict(tensors)}
    starts = [_whole(prefix, prefixes) for prefix in prefixes]
    found = {start: _under(start, tensors) for start in starts if start}
    if "" in starts:
        rest = {name: value for name, value in tensors.items() if not name.startswith(tuple(found))}
        found[""] = {name: value for name, value in rest.items() if not OPTIMISER.match(name)}
    return found


def _whole(prefix: str, prefixes: list[str]) -> str:
    """Return the shortest beginning of a prefix, in whole components, that no other one has."""
    if not prefix:
        return prefix
    parts = re.findall(r"[^./]+[./]", prefix)
    for count in range(1, len(parts)):
        start = "".join(parts[:count])
        if not any(other.startswith(start) for other in prefixes if other != prefix):
            return start
    return prefix


def _under(prefix: str, tensors: Mapping[str, T]) -> dict[str, T]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _twins(names: Iterable[str]) -> list[str]:
    """Return the first components of names of which every one stands before the same names, if there are several."""
    groups: dict[str, set[str]] = {}
    for name in names:
        first, _, rest = name.partition(".")
        groups.setdefault(f"{first}.", set()).add(rest)
    rests = list(groups.values())
    same = len(rests) > 1 and len(rests[0]) > 1 and all(rest == rests[0] for rest in rests)
    return sorted(groups) if same and not any(first[0].isdigit() for first in groups) else []


def bare(tensors: Mapping[str, T], where: str = "") -> dict[str, T]:
    """Return tensors under a network's own names: without wrappers' prefixes, counters left out.

    A backbone's prefix goes, too, where a head stands beside the backbone ("backbone.blocks...", "head.weight").

    Raises:
        ClaimsError: two tensors that would have one name.
    """
    names = {name: TRANSPARENT.sub("", name) for name in tensors if name.rpartition(".")[2] not in COUNTERS}
    while names:
        firsts = {name.partition(".")[0] if "." in name else "" for name in names.values()}
        if len(firsts) != 1 or not firsts & set(WRAPPERS):
            break
        (first,) = firsts
        names = {name: short.removeprefix(f"{first}.") for name, short in names.items()}
    prefixes = _prefixes(names.values())
    if len(prefixes) == 1:
        names = {name: short.removeprefix(prefixes[0]) for name, short in names.items()}
    found: dict[str, T] = {}
    for name, short in names.items():
        if short in found:
            raise ClaimsError(f"{where}expected each parameter once, found {short} under two names; one is {name}")
        found[short] = tensors[name]
    return found
