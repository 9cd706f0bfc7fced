"""What a run is made of: frozen, validated, hashable values. Every spec forbids unknown keys."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass, rebuild_dataclass
from pydantic_core import ArgsKwargs

from harness.core.errors import ClaimsError, nearest

STRICT = ConfigDict(extra="forbid", defer_build=True)
"""Of every spec: unknown keys are refused; a validator is built at first use, for most commands need few of them."""

Family = Literal["vit", "bit", "hybrid", "convnext", "other"]
"""Of a network; "other" is any that timm's registry has besides, for which only recipes for every family apply."""
Backend = Literal["torch", "jax"]
BACKENDS: tuple[Backend, ...] = ("torch", "jax")
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(gt=0)]
Natural = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=1)]


def pairs(value: Any) -> Any:
    """Return a mapping as (key, value) pairs, any other value unchanged."""
    return tuple(value.items()) if isinstance(value, Mapping) else value


Sources = Annotated[tuple[tuple[str, str], ...], BeforeValidator(pairs)]


def alike(value: Any) -> Any:
    """Return one number for three equal ones, any other value unchanged: the same input is stated in one way."""
    if isinstance(value, (list, tuple)) and len(value) == 3 and value[0] == value[1] == value[2]:
        return value[0]
    return value


Level = Annotated[float, Field(ge=0, le=1)]
Mean = Annotated[Level | tuple[Level, Level, Level], BeforeValidator(alike)]
"""Of levels 0 ... 1: one for every channel, or one each for red, green and blue."""
Deviation = Annotated[Positive | tuple[Positive, Positive, Positive], BeforeValidator(alike)]
"""As `Mean`: what the difference to the mean is divided by."""

S = TypeVar("S")

LONGEST = 200
"""Characters of a value that an error shows."""

UNEXPECTED = ("unexpected_keyword_argument", "dataclass_unexpected_argument")
"""Pydantic's names of the fault that says most: a key that does not exist is often a misspelt one that is missing."""


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
    rebuild_dataclass(spec)  # type: ignore[arg-type]
    try:
        return TypeAdapter(spec).validate_python(dict(values))
    except ValidationError as error:
        first = min(error.errors(), key=lambda found: found["type"] not in UNEXPECTED)
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] in UNEXPECTED:
            raise ClaimsError(
                f"{where}: unknown key {key!r}{nearest(key, known)}; expected keys: {', '.join(known)}"
            ) from None
        if first["type"] in ("missing", "missing_argument"):
            raise ClaimsError(f"{where}: key {key!r} is missing; add it") from None
        found = "" if isinstance(first["input"], (dict, list)) else f", found {first['input']!r}"
        raise ClaimsError(f"{where}: {key or spec.__name__}: {reworded(first['msg'])}{found}") from None


def reworded(message: str) -> str:
    """Return pydantic's message in this project's words, e.g. "expected a valid string"."""
    message = re.sub(r"^Input should be (?=(greater|less) than)", "expected a value ", message)
    message = re.sub(r"^(Tuple|List) should have (at (?:least|most) \d+ items?) .*", r"expected \2", message)
    return message.removeprefix("Value error, ").replace("Input should be", "expected")


def fault(error: ValidationError, spec: Any = None) -> str:
    """Return the first fault of a validation in one line: the spec, the key, what was expected and what was found.

    Args:
        error: the validation's.
        spec: the dataclass that was made, for the names of arguments that were given by position.
    """
    known = [field.name for field in dataclasses.fields(spec)] if spec is not None else []
    errors = error.errors()
    first = min(errors, key=lambda found: found["type"] not in UNEXPECTED)
    place = list(first["loc"])
    if place and isinstance(place[0], int) and place[0] < len(known):
        place[0] = known[place[0]]
    message = reworded(first["msg"])
    if first["type"] in UNEXPECTED and known:
        name = str(place[-1])
        return f"{error.title}: unknown argument {name!r}{nearest(name, known)}; expected one of: {', '.join(known)}"
    if first["type"] in ("missing", "missing_argument"):
        within = "".join(f"{part}: " for part in place[:-1])
        return f"{error.title}: {within}the argument {str(place[-1])!r} is missing; add it"
    if first["type"] == "dataclass_type":
        # Of a union every member has its own fault, at a place of its own.
        same = [each for each in errors if each["loc"][:-1] == first["loc"][:-1] and each["type"] == first["type"]]
        place = place[:-1] if len(same) > 1 else place
        message = f"expected {' or '.join(each['ctx']['class_name'] for each in same)}"
    key = ".".join(str(part) for part in place)
    return f"{error.title}: {key + ': ' if key else ''}{message}{found_instead(first['input'])}"


def found_instead(value: Any) -> str:
    """Return ", found ..." of a value, or "" of one that shows all arguments and so says nothing."""
    if isinstance(value, (dict, list, ArgsKwargs)):
        return ""
    text = f"{type(value).__name__} {value.id!r}" if hasattr(value, "id") else repr(value)
    return f", found {text if len(text) <= LONGEST else text[:LONGEST] + '...'}"


def as_own(values: Any) -> Any:
    """Fill in what a checkpoint's `model` says of it: its layout and family, or that it is one of timm's."""
    given = values.kwargs if isinstance(values, ArgsKwargs) else values
    if not isinstance(given, Mapping) or not isinstance(given.get("model"), str) or not given["model"]:
        return values
    filled = {"family": "other", **given}
    if ":" not in filled["model"]:  # timm's registry makes it
        filled |= {"timm": filled.pop("model"), "semantics": "timm"}
    filled.setdefault("layout", "own" if "model" in filled else "timm")
    return ArgsKwargs(values.args, filled) if isinstance(values, ArgsKwargs) else filled


@dataclass(frozen=True, config=STRICT)
class Checkpoint:
    """One set of pre-trained weights, and where it is."""

    id: str
    """Name in checkpoints.toml, e.g. "micro-vit-l"."""
    family: Family
    architecture: str
    """The paper's name of the architecture, e.g. "ViT-L/16"."""
    pretrained_on: str
    """The pre-training set, as the paper names it."""
    layout: Literal["vit-npz", "bit-npz", "timm", "transformers", "jeonsworld", "own"]
    """The file layout, which decides the reader; "own": names of the module that `model` makes."""
    variant: str = "orig"
    """Which release of the weights: "orig" (the paper's own), or a name."""
    file: str = ""
    """Where a shipped file lies, relative to the folder of the paper; "" for one that is fetched."""
    sources: tuple[str, ...] = ()
    """Where it is fetched from, in order of trust and reach: hub:OWNER/NAME[@REVISION]/FILE, gs://..., https://..."""
    unconfirmed: tuple[str, ...] = ()
    """Those of the sources whose name could not be confirmed."""
    never_released: str = ""
    """Why there is nothing to fetch; "" for weights that exist."""
    timm: str = ""
    """timm's name of the model, for the timm layout."""
    model: str = ""
    """What makes the network, where it is none of the layouts': "module:function" of the paper's folder, or installed,
    called without arguments for a torch module; or timm's name of one. Family and layout need not be given then."""
    model_sha256: Sha256 | None = None
    """Digest of the source of `model`; set by the program."""
    prefix: str = ""
    """What names of tensors in the file begin with and those of `model` do not, e.g. "net."."""
    weights: str = ""
    """Which set of weights, where the file holds several, e.g. "model_ema"; "": the only one."""
    activation: Literal["", "gelu", "gelu_tanh"] = ""
    """Of the MLPs, where it is not the authors' ("gelu_tanh", which transformers calls gelu_pytorch_tanh)."""
    layer_norm_epsilon: Positive | None = None
    """Where it is not the authors', 1e-6."""
    resolution: Count | None = None
    """Side in pixels of the input it was trained on last."""
    classes: Count | None = None
    """Classes of its head; None: not known before the file is read."""
    tuned_on: str = ""
    """Id of the dataset that its authors fine-tuned it on, where they released files of their own for that. Entries
    that agree in this, the architecture, the pre-training set and the variant are independent runs of one
    fine-tuning."""
    sha256: Sha256 | None = None
    """None: not published; pinned when it is first fetched."""
    size: Count | None = None
    """Bytes."""
    citation: str = ""
    semantics: Literal["reference", "timm"] = "reference"
    """Whose numerics the model follows: the authors' released code, or timm's for weights released through timm."""
    heads: Count | None = None
    """Attention heads, where the file does not say (PyTorch's hold the projections of all heads as one matrix)."""
    mean: Mean | None = None
    """Of the levels 0 ... 1 of its input, where it is not the recipe's: one number, or one a channel."""
    std: Deviation | None = None
    interpolation: Literal["", "bilinear", "bicubic"] = ""
    """How its test images are resized, antialiased as Pillow does; "": as the recipe says."""
    resize: Literal["", "square", "short side"] = ""
    """What its own head is evaluated on: the image stretched, or its short side scaled and the centre cropped."""
    crop_share: Annotated[float, Field(gt=0, le=1)] | None = None
    """Test side divided by the short side before the centre crop, for its own head; implies "short side"."""
    classes_file: str = ""
    """A text file with one class name per line, in the order of the head's outputs; from the table's folder."""
    class_names: tuple[str, ...] = ()
    """The names themselves, in the order of the head's outputs."""
    stated: Sources = ()
    """(what, where from) pairs of what was completed from the file and those beside it; set by the program."""

    _of_model = model_validator(mode="before")(as_own)

    def __post_init__(self) -> None:
        if (self.layout == "own") != bool(self.model):
            raise ValueError('expected model = "module:function" with the layout "own", and no other layout with it')
        if self.prefix and not self.model:
            raise ValueError("expected prefix only with model; names of other layouts are known")
        if (self.mean is None) != (self.std is None):
            raise ValueError("expected mean and std, or neither; add the other")
        if self.crop_share is not None and self.resize == "square":
            raise ValueError('expected no crop_share with resize "square"; remove one')
        if self.classes_file and self.class_names and not self.stated:
            raise ValueError("expected class_names or classes_file, found both; remove one")

    @property
    def upstream(self) -> str:
        """The pre-trained network that it is, the same for runs of one fine-tuning."""
        return f"{self.architecture} ({self.pretrained_on}, {self.variant})" if self.tuned_on else self.id

    @property
    def shipped(self) -> bool:
        """Whether the file comes with the project: the micro study's, always computed on the CPU."""
        return bool(self.file) and not self.file.startswith(("/", "~"))


@dataclass(frozen=True, config=STRICT)
class Dataset:
    """A classification task with its splits; the digest pins the exact bytes."""

    id: str
    classes: Annotated[int, Field(ge=2)]
    train: Natural
    """Number of training examples available (the pool, for a few-shot task); 0: it is only evaluated."""
    test: Count
    """Number of test examples; every result scores exactly these."""
    reader: str
    """What reads or makes it (harness/data/readers/synthetic.py, harness/data/registry.py)."""
    sha256: Sha256
    """Digest of the examples: a micro task's uint8 images and labels, a real dataset's encoded images and labels."""
    dev_fraction: Share
    """Share of the training examples that choices (learning rates) are made on."""
    shots: Count | None = None
    """Training examples per class, drawn with the run's seed; None: all of them."""
    title: str = ""
    citation: str = ""
    protocol: str = ""
    """Whose protocol says which published parts are trained on and scored."""
    numbered: bool = False
    """Whether the test examples are in the order of ImageNet's validation image numbers, which ReaL labels rely on."""
    path: str = ""
    """The folder of a dataset that is in no table; "": its entry says."""

    @property
    def dev(self) -> int:
        """Number of training examples in the dev split."""
        return max(1, round(self.train * self.dev_fraction))


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """How to fine-tune. Data, not code; `sources` says where each value comes from."""

    id: str
    batch_size: Count
    """Effective batch size: memory may split it, the gradient is that of the whole."""
    resolution: Count
    """Side of the square training input in pixels, after all cropping."""
    steps: Natural | None = None
    """Updates; 0: no weight of the checkpoint changes, and what is scored is its own head or, by the method "least
    squares", one that is fitted. None: `epochs` says."""
    epochs: Positive | None = None
    """Passes over the training examples, where the source counts in these; resolved to steps for a dataset."""
    learning_rate: Positive | None = None
    """Base learning rate: the peak of the schedule. None: chosen from the grid, or nothing is trained."""
    learning_rate_grid: tuple[Positive, ...] = ()
    """Base learning rates to choose from on the dev split, where the source gives a grid."""
    learning_rates: str = ""
    """A file, relative to the harness package, of learning rates chosen per checkpoint and dataset."""
    schedule: Literal["cosine", "staircase", "constant"] = "cosine"
    """After the linear warm-up: a half cosine to 0, a tenth after each of `decay_at`, or the base rate."""
    warmup_steps: Natural = 0
    decay_at: tuple[Natural, ...] = ()
    """Steps strictly after which a staircase divides the rate by 10."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    momentum_dtype: Literal["float32", "bfloat16"] = "float32"
    """What the momentum is stored in; the authors' code has bfloat16."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip_norm: Positive | None = 1.0
    """Largest global norm of the gradient; None: no clipping."""
    train_resize: Count | None = None
    """Side of the square that training images are stretched to before a random crop; None: no resize before it."""
    crop: Literal["none", "random", "inception"] = "none"
    """Training: the whole image stretched to the resolution, a random crop of it, or a random part of its area."""
    flip: bool = False
    """Training images are flipped left to right with probability one half."""
    mixup: Annotated[float, Field(ge=0)] = 0.0
    """Alpha of mixup's beta distribution, one draw per step (BiT-HyperRule); 0: none."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Of the transformer (after the positional embedding, the attention and in the MLP), in training."""
    head: Literal["zero", "library"] = "zero"
    """The new head: zeros (the authors'), or as the library draws it: weights normal(0.02), biases 0 (transformers)."""
    polyak: Share | None = None
    """Decay of the moving average of the weights that is evaluated; None: the last weights are."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the forward and backward pass in training and evaluation; the weights themselves stay float32."""
    trains_on: Literal["all", "all but dev"] = "all"
    """Final runs: every training example (the paper), or without the dev split (the authors' code)."""
    test_resolution: Count | None = None
    """Side of the square test input; None: as in training."""
    test_resize: Literal["square", "short side"] = "square"
    """The whole test image stretched to a square, or its short side scaled and the centre cropped."""
    test_crop_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Test side divided by the side of the square, or by the short side, before the centre crop; 1: of a square all."""
    test_crop_rounding: Literal["down", "nearest"] = "down"
    """Where a centre crop leaves an odd number of pixels: the smaller half before it (TensorFlow, transformers), or
    half of it rounded to an even number (torchvision, and so timm)."""
    test_interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    test_antialias: bool = False
    mean: Mean = 0.5
    """Levels 0 ... 1 are normalised by (x - mean) / std: one number for every channel, or three."""
    std: Deviation = 0.5
    method: Literal["fine-tuning", "least squares"] = "fine-tuning"
    """"least squares": a linear classifier of the frozen network's features, fitted in closed form (few-shot linear
    evaluation); the seed draws the examples."""
    shots: Count | None = None
    """Training examples per class that least squares fits, drawn with the run's seed; None: all of them."""
    l2: Positive | None = None
    """Weight of the squared norm of the classifier's weights in least squares."""
    sources: Sources = ()
    """(field, citation) pairs; a table of citations by field in TOML."""

    def __post_init__(self) -> None:
        known = {field.name for field in dataclasses.fields(self)}
        for cited, _ in self.sources:
            if cited not in known:
                raise ValueError(f"sources cites {cited!r}{nearest(cited, known)}, which is no field of a recipe")
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("expected either steps or epochs")
        if self.steps != 0 and self.learning_rate is None and not self.learning_rate_grid:
            raise ValueError("expected learning_rate or learning_rate_grid; only an evaluation (steps = 0) has neither")
        if self.method == "least squares" and (self.steps != 0 or self.l2 is None):
            raise ValueError("expected steps = 0 and l2 for the method least squares")
        if self.method != "least squares" and not (self.shots is self.l2 is None):
            raise ValueError('expected shots and l2 only for the method "least squares"')
        if (self.schedule == "staircase") != bool(self.decay_at):
            raise ValueError("a staircase needs decay_at, and decay_at needs a staircase")
        if (self.crop == "random") != (self.train_resize is not None):
            raise ValueError("a random crop needs train_resize, and train_resize a random crop")
        if self.crop == "random" and self.train_resize is not None and self.train_resize < self.resolution:
            raise ValueError(f"expected train_resize of at least the resolution {self.resolution}")

    @property
    def evaluates_only(self) -> bool:
        """Whether nothing is learned: a released, already fine-tuned checkpoint is scored with its own head."""
        return self.frozen and self.method == "fine-tuning"

    @property
    def frozen(self) -> bool:
        """Whether no weight of the network changes: its own head, or one that is fitted to its features, is scored."""
        return self.steps == 0

    @property
    def side(self) -> int:
        """Side of the test input in pixels."""
        return self.test_resolution or self.resolution
