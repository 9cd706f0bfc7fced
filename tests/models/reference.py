"""The reference numerics once more, in numpy and float64, straight from the papers' formulas.

It shares no code with the models under test, so a wrong epsilon, GELU or padding shows as a difference.
"""

import numpy as np

from harness.models import npz_layout


def weights(architecture, seed=0):
    """Arrays of an architecture with every parameter at random, so that each one matters to the logits."""
    generator = np.random.default_rng(seed)
    arrays = {}
    for key, shape in npz_layout.expected_shapes(architecture).items():
        drawn = generator.standard_normal(shape)
        if key.endswith(("scale", "gamma")):
            drawn = 1 + 0.2 * drawn
        elif key.endswith(("bias", "beta", "cls", "pos_embedding")):
            drawn = 0.3 * drawn
        elif "conv" in key and "head" not in key:
            drawn = 1e-3 * (drawn + 0.5)  # small, so that the epsilon of weight standardisation counts
        else:
            drawn = drawn / np.sqrt(np.prod(shape[:-1]))
        arrays[key] = drawn.astype(np.float32)
    return arrays


def logits(arrays, architecture, images):
    """Logits (N, classes) in float64 of images (N, H, W, C)."""
    w = {key: array.astype(np.float64) for key, array in arrays.items()}
    x = images.astype(np.float64)
    if isinstance(architecture, npz_layout.BitArchitecture):
        return bit(w, architecture, x)
    return vit(w, architecture, hybrid_stem(w, architecture.stem, x) if architecture.stem else x)


def windows(x, kernel, stride):
    """(N, H', W', C, kh, kw): every window of x (N, H, W, C)."""
    return np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(1, 2))[:, :: stride[0], :: stride[1]]


def convolve(x, kernel, stride, pads):
    x = np.pad(x, ((0, 0), *pads, (0, 0)))
    return np.einsum("nhwcij,ijco->nhwo", windows(x, kernel.shape[:2], stride), kernel, optimize=True)


def same(size, kernel, stride):
    """TensorFlow's SAME padding of one axis: the odd pixel goes to the end."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return (total // 2, total - total // 2)


def group_norm(x, scale, bias, epsilon):
    n, h, w, c = x.shape
    grouped = x.reshape(n, h, w, 32, c // 32)
    centred = grouped - grouped.mean((1, 2, 4), keepdims=True)
    normal = centred / np.sqrt((centred**2).mean((1, 2, 4), keepdims=True) + epsilon)
    return normal.reshape(x.shape) * scale.reshape(-1) + bias.reshape(-1)


def relu(x):
    return np.maximum(x, 0)


def hybrid_stem(w, stem, x):
    def conv(x, key, stride=1):
        kernel = w[f"{key}/kernel"]
        kernel = (kernel - kernel.mean((0, 1, 2))) / (kernel.std((0, 1, 2)) + 1e-5)
        pads = [same(size, side, stride) for size, side in zip(x.shape[1:3], kernel.shape[:2], strict=True)]
        return convolve(x, kernel, (stride, stride), pads)

    def norm(x, key):
        return group_norm(x, w[f"{key}/scale"], w[f"{key}/bias"], 1e-6)

    x = relu(norm(conv(x, "conv_root", 2), "gn_root"))
    pads = [same(size, 3, 2) for size in x.shape[1:3]]
    x = windows(np.pad(x, ((0, 0), *pads, (0, 0)), constant_values=-np.inf), (3, 3), (2, 2)).max((-2, -1))
    for stage, units in enumerate(stem.stages, 1):
        for unit in range(1, units + 1):
            at, stride = f"block{stage}/unit{unit}", 2 if stage > 1 and unit == 1 else 1
            kept = norm(conv(x, f"{at}/conv_proj", stride), f"{at}/gn_proj") if unit == 1 else x
            y = relu(norm(conv(x, f"{at}/conv1"), f"{at}/gn1"))
            y = relu(norm(conv(y, f"{at}/conv2", stride), f"{at}/gn2"))
            x = relu(kept + norm(conv(y, f"{at}/conv3"), f"{at}/gn3"))
    return x


def vit(w, architecture, x):
    def norm(x, key):
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6) * w[f"{key}/scale"] + w[f"{key}/bias"]

    def attention(x, key):
        q, k, v = (
            np.einsum("ntd,dhe->nhte", x, w[f"{key}/{part}/kernel"]) + w[f"{key}/{part}/bias"][:, None]
            for part in ("query", "key", "value")
        )
        scores = np.exp(q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]))
        mixed = scores / scores.sum(-1, keepdims=True) @ v
        return np.einsum("nhte,hed->ntd", mixed, w[f"{key}/out/kernel"]) + w[f"{key}/out/bias"]

    x = convolve(x, w["embedding/kernel"], architecture.patch, [(0, 0), (0, 0)]) + w["embedding/bias"]
    x = x.reshape(len(x), -1, x.shape[-1])
    x = np.concatenate([np.broadcast_to(w["cls"], (len(x), 1, x.shape[-1])), x], 1) + w[npz_layout.POSITIONS]
    for index in range(architecture.depth):
        block = f"Transformer/encoderblock_{index}"
        x = x + attention(norm(x, f"{block}/LayerNorm_0"), f"{block}/MultiHeadDotProductAttention_1")
        dense = f"{block}/MlpBlock_3/Dense"
        y = norm(x, f"{block}/LayerNorm_2") @ w[f"{dense}_0/kernel"] + w[f"{dense}_0/bias"]
        y = y / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
        x = x + y @ w[f"{dense}_1/kernel"] + w[f"{dense}_1/bias"]
    x = norm(x, "Transformer/encoder_norm")[:, 0]
    if architecture.representation_size:
        x = np.tanh(x @ w["pre_logits/kernel"] + w["pre_logits/bias"])
    return x @ w["head/kernel"] + w["head/bias"]


def bit(w, architecture, x):
    def conv(x, key, stride=1):
        kernel = w[f"{key}/standardized_conv2d/kernel"]
        kernel = (kernel - kernel.mean((0, 1, 2))) / np.sqrt(kernel.var((0, 1, 2)) + 1e-10)
        pad = kernel.shape[0] // 2
        return convolve(x, kernel, (stride, stride), [(pad, pad), (pad, pad)])

    def norm(x, key):
        return relu(group_norm(x, w[f"{key}/group_norm/gamma"], w[f"{key}/group_norm/beta"], 1e-5))

    x = conv(x, "resnet/root_block", 2)
    x = windows(np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), (3, 3), (2, 2)).max((-2, -1))
    for stage, (units, _) in enumerate(architecture.stages, 1):
        for unit in range(1, units + 1):
            at, stride = f"resnet/block{stage}/unit{unit:02d}", 2 if stage > 1 and unit == 1 else 1
            active = norm(x, f"{at}/a")
            kept = conv(active, f"{at}/a/proj", stride) if unit == 1 else x
            y = conv(norm(conv(active, f"{at}/a"), f"{at}/b"), f"{at}/b", stride)
            x = kept + conv(norm(y, f"{at}/c"), f"{at}/c")
    x = norm(x, "resnet").mean((1, 2))
    return x @ w["resnet/head/conv2d/kernel"][0, 0] + w["resnet/head/conv2d/bias"]
