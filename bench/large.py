"""The paper's largest networks at the sizes that are measured on a GPU."""

from __future__ import annotations

from dataclasses import dataclass

from bench import cases
from bench.cases import Case
from harness.core.specs import Recipe
from harness.cost.flops import work
from harness.cost.networks import Network
from harness.models import released
from harness.models.architectures import Architecture

DEVICE = "cuda"


@dataclass(frozen=True)
class Large:
    """A network at a resolution, with a recipe's batch."""

    name: str
    """The architecture's."""
    resolution: int
    batch: int
    """Of the recipe; our loop finds out how much of it fits."""
    steps: int = 16
    skipped: int = 6
    """First steps that do not count: there the micro-batch is found, losses are looked at late, programs are chosen."""
    level: int = 0
    """0: the course's batch; 1: the paper's; 2: the paper's resolution."""
    seconds: float = 30.0
    """About what measuring it takes."""

    @property
    def title(self) -> str:
        """The name of its rows."""
        return f"{self.name} at {self.resolution}, batch {self.batch}"

    def architecture(self) -> Architecture:
        """Return the network's architecture."""
        found = released.architecture(self.name, cases.CLASSES, self.resolution)
        assert found is not None
        return found

    @property
    def recipe(self) -> Recipe:
        """Images are stretched and cropped anew on the device in every step; only the paper clips, and ViT alone."""
        return cases.recipe(
            self.resolution,
            self.steps,
            self.batch,
            crop="inception",
            flip=True,
            precision="bfloat16",
            head="zero",
            clip_norm=1.0 if self.level and self.name.startswith("ViT") else None,
        )

    def case(self, device: str = DEVICE) -> Case:
        """Return its fine-tuning on random 32-pixel images."""
        return cases.synthetic(self.title, self.architecture(), self.recipe, stored=32, n=4096, device=device)

    def flops(self) -> float:
        """Return the FLOPs of a training step for one image."""
        network = Network(released.architecture(self.name, 1, self.resolution))
        return float(work(network, self.resolution).train_flops(cases.CLASSES))


LARGE = (
    Large("ViT-L/16", 224, 32, steps=110, skipped=10, level=0, seconds=25),
    Large("BiT-R152x4", 128, 16, steps=70, skipped=10, level=0, seconds=45),
    Large("ViT-L/16", 224, 512, level=1, seconds=30),
    Large("BiT-R152x4", 128, 512, level=1, seconds=50),
    Large("ViT-L/16", 384, 512, steps=10, skipped=5, level=2, seconds=45),
    Large("BiT-R152x4", 480, 32, steps=15, skipped=6, level=2, seconds=60),
)
