"""What a run is made of: frozen, validated, hashable values, and the run's identity.

Every spec forbids unknown keys. A run's id is the hash of what determines its outcome and of
nothing else: names, citations, the machine and the split of a batch that memory forces are not in it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from harness.errors import ClaimsError, nearest

STRICT = ConfigDict(extra="forbid")

# The version of the numerics of each backend, bumped by hand whenever the same run would give other
# predictions. Version 1 of torch: CPU runs on exactly one thread, evaluation batches of 256.
NUMERICS = {"torch": 1}

Family = Literal["vit", "bit", "hybrid", "convnext"]
Backend = Literal["torch"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(gt=0)]
Natural = Annotated[int, Field(ge=0)]


def pairs(value: Any) -> Any:
    """Return a mapping as (key, value) pairs, any other value unchanged."""
    return tuple(value.items()) if isinstance(value, Mapping) else value


Sources = Annotated[tuple[tuple[str, str], ...], BeforeValidator(pairs)]

S = TypeVar("S")


def build(spec: type[S], values: Mapping[str, Any], where: str) -> S:
    """Return `spec(**values)`, or raise one line that names the place, the key and what was expected.

    Args:
        spec: a pydantic dataclass.
        values: field values, e.g. a TOML table.
        where: the place the values come from, e.g. "recipes.toml [micro]".

    Raises:
        ClaimsError: an unknown key (with the nearest valid one), a missing key or a bad value.
    """
    known = [field.name for field in dataclasses.fields(spec)]  # type: ignore[arg-type]
    try:
        return TypeAdapter(spec).validate_python(dict(values))
    except ValidationError as error:
        unexpected = ("unexpected_keyword_argument", "dataclass_unexpected_argument")
        first = min(error.errors(), key=lambda found: found["type"] not in unexpected)
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] in unexpected:
            raise ClaimsError(
                f"{where}: unknown key {key!r}{nearest(key, known)}; expected keys: {', '.join(known)}"
            ) from None
        if first["type"] in ("missing", "missing_argument"):
            raise ClaimsError(f"{where}: key {key!r} is missing; add it") from None
        found = "" if isinstance(first["input"], (dict, list)) else f", found {first['input']!r}"
        raise ClaimsError(f"{where}: {key or spec.__name__}: {first['msg']}{found}") from None


@dataclass(frozen=True, config=STRICT)
class Checkpoint:
    """One set of pre-trained weights and where it lies."""

    id: str
    """Name in the zoo, e.g. "micro-vit-l"."""
    family: Family
    architecture: str
    """The paper's name of the architecture, e.g. "ViT-L/16"."""
    pretrained_on: str
    """The pre-training set, e.g. "ImageNet-21k"."""
    layout: Literal["vit-npz", "bit-npz", "timm", "transformers"]
    """The file layout, which decides the reader."""
    variant: str = "orig"
    """Which release of the weights: "orig" (the paper's), "augreg", "sam"."""
    file: str = ""
    """Where a shipped file lies, relative to the harness package; "" for one that is fetched."""
    sources: tuple[str, ...] = ()
    """Where it is fetched from, in order of trust and reach: hub:OWNER/NAME[@REVISION]/FILE, gs://..., https://..."""
    unconfirmed: tuple[str, ...] = ()
    """Those of the sources whose name could not be confirmed."""
    never_released: str = ""
    """Why there is nothing to fetch; "" for weights that exist."""
    timm: str = ""
    """timm's name of the model, for the timm layout."""
    resolution: Count | None = None
    """Side in pixels of the input it was trained on last."""
    classes: Count | None = None
    """Classes of its head; None: not known before the file is read."""
    sha256: Sha256 | None = None
    """None: not published; pinned when it is first fetched."""
    size: Count | None = None
    """Bytes."""
    citation: str = ""
    semantics: Literal["reference", "timm"] = "reference"
    """Whose numerics the model follows: the authors' released code, or timm's for weights released through timm."""


@dataclass(frozen=True, config=STRICT)
class Dataset:
    """A classification task with its splits; the digest pins the very bytes."""

    id: str
    classes: Annotated[int, Field(ge=2)]
    train: Count
    """Number of training examples available (the pool, for a few-shot task)."""
    test: Count
    """Number of test examples; every result scores exactly these."""
    reader: str
    """What reads or makes it (harness/micro/tasks.py)."""
    sha256: Sha256
    """Digest of the uint8 images and int labels of both splits."""
    dev_fraction: Annotated[float, Field(gt=0, lt=1)]
    """Share of the training examples that choices (learning rates) are made on."""
    shots: Count | None = None
    """Training examples per class, drawn with the run's seed; None: all of them."""
    title: str = ""
    citation: str = ""


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """How to fine-tune. Data, not code; `sources` says where each value comes from."""

    id: str
    steps: Count
    batch_size: Count
    """Effective batch size: memory may split it, the gradient is that of the whole."""
    learning_rate: Annotated[float, Field(gt=0)]
    """Base learning rate: the peak of the schedule."""
    resolution: Count
    """Side of the square input in pixels, training and test."""
    warmup_steps: Natural = 0
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    clip_norm: Annotated[float, Field(gt=0)] | None = 1.0
    """Largest global norm of the gradient; None: no clipping."""
    learning_rates: str = ""
    """A file, relative to the harness package, of learning rates chosen per checkpoint and dataset."""
    sources: Sources = ()
    """(field, citation) pairs; a table of citations by field in TOML."""

    def __post_init__(self) -> None:
        known = {field.name for field in dataclasses.fields(self)}
        for cited, _ in self.sources:
            if cited not in known:
                raise ValueError(f"sources cites {cited!r}{nearest(cited, known)}, which is no field of a recipe")


NOT_IDENTITY: dict[type, frozenset[str]] = {
    Checkpoint: frozenset(
        "id family architecture pretrained_on variant file sources unconfirmed never_released resolution classes size"
        " citation".split()
    ),
    Dataset: frozenset("id title citation reader".split()),
    Recipe: frozenset("id sources learning_rates".split()),
}
"""Fields that name, cite or locate a thing and do not change what comes out: digests pin the bytes,
and a chosen learning rate is itself a field."""


def identity(value: Any) -> Any:
    """Return the part of a spec that determines outcomes, as plain JSON values.

    Fields that equal their default are left out, so a new optional field changes no old id.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        left_out = next((NOT_IDENTITY[kind] for kind in type(value).__mro__ if kind in NOT_IDENTITY), frozenset())
        kept: dict[str, Any] = {}
        for field in dataclasses.fields(value):
            item = getattr(value, field.name)
            if field.name not in left_out and item != field.default:
                kept[field.name] = identity(item)
        return kept
    if isinstance(value, tuple):
        return [identity(item) for item in value]
    return value


@dataclass(frozen=True, config=STRICT)
class Run:
    """checkpoint x dataset x recipe x seed x backend: one fine-tuning and its evaluation."""

    checkpoint: Checkpoint
    dataset: Dataset
    recipe: Recipe
    seed: Natural
    backend: Backend = "torch"
    split: Literal["test", "dev"] = "test"
    """What is scored: the test set after training on all training examples, or the held-out
    dev split after training on the rest (for choices)."""

    def __post_init__(self) -> None:
        if self.checkpoint.sha256 is None:
            raise ValueError(f"expected {self.checkpoint.id} with its digest, found none; fetch it first (zoo.pinned)")

    @cached_property
    def id(self) -> str:
        """Sixteen hex digits: the hash of everything that determines the outcome."""
        parts = identity(self)
        if self.split == "test":
            del parts["dataset"]["dev_fraction"]  # the dev split has no part in it
        parts["numerics"] = NUMERICS[self.backend]
        parts["backend"] = self.backend
        canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """One readable line for progress bars and messages."""
        return f"{self.checkpoint.id} on {self.dataset.id}, {self.recipe.id}, seed {self.seed}"


@dataclass(frozen=True, config=STRICT)
class Result:
    """What a run gave: the predicted class of every scored example. Accuracy is derived."""

    run_id: str
    predictions: tuple[int, ...]
    labels: tuple[int, ...]
    loss_history: tuple[float, ...]
    """Training loss of each step (mean cross-entropy, nats)."""
    seconds: float
    """Wall time of loading, fine-tuning and evaluation."""
    images_per_second: float
    """Training images per second of wall time of the fine-tuning loop."""
    peak_memory: int
    """Largest resident memory of the process, bytes."""
    environment: tuple[tuple[str, str], ...]
    """(name, version) pairs of what computed it."""

    def __post_init__(self) -> None:
        if not self.labels or len(self.predictions) != len(self.labels):
            raise ClaimsError(
                f"result {self.run_id}: expected one prediction for each label and at least one,"
                f" found {len(self.predictions)} predictions and {len(self.labels)} labels"
            )

    @property
    def n(self) -> int:
        """Number of scored examples."""
        return len(self.labels)

    @property
    def correct(self) -> int:
        """Number of examples whose predicted class is the label."""
        return sum(p == y for p, y in zip(self.predictions, self.labels, strict=True))

    @property
    def accuracy(self) -> float:
        """Top-1 accuracy in percent, from integer counts."""
        return 100 * self.correct / self.n

    @property
    def predictions_sha256(self) -> str:
        """Digest of the predicted classes, comma separated."""
        return digest_of(self.predictions)

    @property
    def labels_sha256(self) -> str:
        """Digest of the labels, comma separated."""
        return digest_of(self.labels)


def digest_of(classes: tuple[int, ...]) -> str:
    """Return the sha256 of class numbers written in decimal, comma separated."""
    return hashlib.sha256(",".join(map(str, classes)).encode()).hexdigest()
