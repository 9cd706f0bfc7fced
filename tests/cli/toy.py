"""A task of one colour a class, images of it as files, and classifiers of it that libraries train and save."""

import io

import numpy as np
from PIL import Image

NAMES = ("Sea Lion", "Ant", "zebra-fish", "moth", "Bee_eater", "yak", "crab", "Dove", "newt", "Elk", "loon", "hare")
"""Of outputs 0, 1, ..., in no alphabetical order."""
COLOURS = np.array([(r, g, b) for r in (30, 128, 226) for g in (30, 226) for b in (30, 226)], np.uint8)


def image(number, shape=(32, 32), seed=0):
    """An image of a class, uint8 (H, W, 3): its colour and noise."""
    noise = np.random.default_rng((seed, number)).integers(-20, 21, (*shape, 3))
    return (COLOURS[number].astype(int) + noise).clip(0, 255).astype(np.uint8)


def folder(root, names=NAMES, each=4, shape=(32, 32)):
    """Write class folders of PNGs, all of them as test/ and as train/; `names` in the order of the colours."""
    for number, name in enumerate(names):
        for seed in range(each):
            buffer = io.BytesIO()
            Image.fromarray(image(number, shape, seed)).save(buffer, "PNG")
            for part in ("train", "test"):
                path = root / part / name / f"{seed}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(buffer.getvalue())
    return root


def batch(size, mean=0.5, std=0.5, seed=100):
    """Images of every class, float32 (N, 3, side, side), normalised, and their labels."""
    import torch

    pairs = [(image(number, (size, size), seed + i), number) for i in range(4) for number in range(len(NAMES))]
    pixels = np.stack([picture for picture, _ in pairs]).astype(np.float32) / 255
    inputs = (pixels - np.float32(mean)) / np.float32(std)
    return torch.from_numpy(inputs.transpose(0, 3, 1, 2).copy()), torch.tensor([number for _, number in pairs])


def fit(model, inputs, labels, steps=60, logits=lambda out: out):
    """Train a model until it is right on all of its inputs."""
    import torch

    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    model.train()
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(logits(model(inputs)), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.eval()
    with torch.no_grad():
        assert (logits(model(inputs)).argmax(1) == labels).all()
    return model


def transformers_classifier(heads=4, side=32, labels=NAMES):
    """A tiny ViTForImageClassification that is right on every image of the task."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(0)
    named = {"id2label": dict(enumerate(labels)), "label2id": {name: i for i, name in enumerate(labels)}}
    config = ViTConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=heads,
        intermediate_size=64,
        image_size=side,
        patch_size=8,
        **(named if labels else {"num_labels": len(NAMES)}),
    )
    inputs, targets = batch(side)
    return fit(ViTForImageClassification(config), inputs, targets, logits=lambda out: out.logits)
