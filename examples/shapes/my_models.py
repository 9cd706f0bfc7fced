"""The two networks that the claim is about: ten convolutions, with skip connections and without."""

import torch
from torch import nn


class Network(nn.Module):
    """Ten convolutions of 12 channels at a quarter of the side, the mean over all places, and a linear layer."""

    def __init__(self, skip: bool) -> None:
        super().__init__()
        self.skip = skip
        self.stem = nn.Conv2d(3, 12, kernel_size=5, stride=4, padding=2)
        self.layers = nn.ModuleList([nn.Conv2d(12, 12, kernel_size=3, padding=1) for _ in range(9)])
        self.fc = nn.Linear(12, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (N, 3) of images (N, 3, side, side)."""
        x = self.stem(images)
        for layer in self.layers:
            x = x + torch.relu(layer(x)) if self.skip else torch.relu(layer(x))
        return self.fc(x.mean(dim=(2, 3)))


def residual() -> nn.Module:
    """Return the network with skip connections."""
    return Network(skip=True)


def plain() -> nn.Module:
    """Return the network without."""
    return Network(skip=False)
