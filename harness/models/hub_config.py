"""What the config.json beside a PyTorch file says of the network: its heads and numerics, and whether the two agree.

transformers and timm write one beside the weights. The authors' npz files have none and need none: they show their
heads and are run with their authors' numerics.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import ClaimsError
from harness.models.architectures import REFERENCE, Architecture, Numerics, ViTArchitecture, pair
from harness.models.convert import Layout
from harness.models.json_files import read_object

NAME = "config.json"
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_accurate": "gelu_tanh",
}
"""transformers' names (ACT2FN) of the two GELUs, which differ by up to 5e-4."""
MODEL_TYPES = ("vit", "vit_msn", "timm_wrapper")
"""Those of transformers whose classifier is a ViT's: pre-norm, a class token, a linear head on it."""


@dataclass(frozen=True)
class HubConfig:
    """A config.json."""

    path: Path
    values: Mapping[str, Any]

    def count(self, key: str) -> int | None:
        """Return a number above 0 that it states, or None where it does not.

        Raises:
            ClaimsError: it states something else.
        """
        found = self.values.get(key)
        if found is None:
            return None
        if type(found) is not int or found < 1:
            raise self.error(f"{key}: expected a number above 0, found {found!r}; correct the file")
        return found

    def error(self, message: str) -> ClaimsError:
        """Return the error for something in the file."""
        return ClaimsError(f"{self.path}: {message}")

    def heads(self) -> int | None:
        """Return the number of attention heads, as transformers' config or timm's model states it; None: not stated.

        Raises:
            ClaimsError: no number above 0.
        """
        stated = self.count("num_attention_heads")
        return stated if stated is not None else self._timm_heads()

    def _timm_heads(self) -> int | None:
        name, arguments = self.values.get("architecture"), self.values.get("model_args") or {}
        if not isinstance(name, str) or not isinstance(arguments, dict):
            return None
        if "num_heads" in arguments:
            return HubConfig(self.path, arguments).count("num_heads")
        import timm
        import torch

        if not timm.is_model(name):
            return None
        with torch.device("meta"):  # nothing is drawn at random
            model = timm.create_model(name, pretrained=False)
        blocks: Any = getattr(model, "blocks", None)
        first = blocks[0] if blocks is not None and len(blocks) else None
        found = getattr(getattr(first, "attn", None), "num_heads", None)
        return found if isinstance(found, int) else None

    def numerics(self) -> Numerics:
        """Return activation and epsilon: what transformers computes, or the authors' where the file does not say.

        Raises:
            ClaimsError: an activation that is no GELU, an epsilon that is no number above 0, another kind of model.
        """
        model_type = self.values.get("model_type", "vit")
        if not isinstance(model_type, str) or model_type not in MODEL_TYPES:
            raise self.error(f"model_type: expected a ViT ({', '.join(MODEL_TYPES)}), found {model_type!r}")
        activation = self.values.get("hidden_act", REFERENCE.activation)
        epsilon = self.values.get("layer_norm_eps", REFERENCE.epsilon)
        if "hidden_act" in self.values and (not isinstance(activation, str) or activation not in ACTIVATIONS):
            known = ", ".join(ACTIVATIONS)
            raise self.error(f"hidden_act: expected a GELU ({known}), found {activation!r}; no other is computed")
        if isinstance(epsilon, bool) or not isinstance(epsilon, (int, float)) or not 0 < epsilon < 1:
            raise self.error(f"layer_norm_eps: expected a number between 0 and 1, found {epsilon!r}; correct the file")
        name: Any = ACTIVATIONS.get(activation, activation)
        return Numerics(activation=name, epsilon=float(epsilon))

    def require(self, held: Architecture, headless: bool) -> None:
        """Refuse weights that are another network's than the file says.

        Raises:
            ClaimsError: the line names what differs, in the file's words.
        """
        if isinstance(held, ViTArchitecture):
            held_values: dict[str, Any] = {
                "hidden_size": held.width,
                "num_hidden_layers": held.depth,
                "num_attention_heads": held.heads,
                "intermediate_size": held.mlp_size,
                "num_channels": held.channels,
            }
            for key, found in held_values.items():
                stated = self.count(key)
                if stated is not None and stated != found:
                    raise self._contradiction(key, stated, found)
            for key, size in (("patch_size", held.cell), ("image_size", held.resolution)):
                stated_size = self._size(key)
                if stated_size is not None and stated_size != size:
                    raise self._contradiction(key, "x".join(map(str, stated_size)), "x".join(map(str, size)))
        classes = self._classes()
        if not headless and classes is not None and classes != held.classes:
            raise self._contradiction("number of classes", classes, held.classes)

    def _contradiction(self, key: str, stated: Any, found: Any) -> ClaimsError:
        return self.error(
            f"{key}: expected {stated}, as stated here, found weights of {found}; keep each beside its own"
        )

    def _size(self, key: str) -> tuple[int, int] | None:
        stated = self.values.get(key)
        if stated is None:
            return None
        size = pair(stated)
        whole = isinstance(size, (list, tuple)) and len(size) == 2 and all(type(side) is int for side in size)
        if not whole:
            raise self.error(f"{key}: expected pixels, or height and width, found {stated!r}; correct the file")
        return (size[0], size[1])

    def _classes(self) -> int | None:
        labels = self.values.get("id2label")
        if isinstance(labels, dict) and labels:
            return len(labels)
        return self.count("num_labels") or (self.values.get("num_classes") and self.count("num_classes")) or None


def beside(folder: Path, layout: Layout) -> HubConfig | None:
    """Return the config.json in the folder of a PyTorch file; None where there is none or the layout has none.

    Raises:
        ClaimsError: malformed.
    """
    path = folder / NAME
    if layout not in ("timm", "transformers") or not path.exists():
        return None
    return HubConfig(path, read_object(path))


def agreed_heads(config: HubConfig | None, given: int | None) -> int | None:
    """Return the attention heads that were given or that a config.json states; None: neither says.

    Raises:
        ClaimsError: they contradict each other.
    """
    stated = config.heads() if config else None
    if config and stated is not None and given is not None and stated != given:
        raise config.error(f"expected {given} heads, as given, found {stated} stated here; correct one of them")
    return stated if given is None else given


def differing(numerics: Numerics) -> dict[str, Any]:
    """Return the fields in which numerics differ from the authors'."""
    return {
        field.name: getattr(numerics, field.name)
        for field in dataclasses.fields(numerics)
        if getattr(numerics, field.name) != getattr(REFERENCE, field.name)
    }
