# mypy: ignore-errors
# (Triton has no types, and what its functions take has none in Python.)
"""Triton kernels: rows of many convolutions standardised and updated at once, group norm with ReLU, channels last.

Each kernel reads what it needs from memory once, later passes hit the cache, and computes in float32. Importing this
module imports triton, which decides at that moment whether it compiles or interprets (TRITON_INTERPRET).
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def standardise_row(weight, kernel, mean, length, eps, KERNEL: tl.constexpr, BLOCK: tl.constexpr):
    """Write (w - mean) / sqrt(var + eps) of one row, and return 1 / sqrt(var + eps).

    Args:
        weight: address of `length` float32 weights.
        kernel: address of what is written.
        mean: of the weights.
        length: of the row.
        eps: added to the variance.
        KERNEL: type of what is written.
        BLOCK: numbers at a time.
    """
    places = tl.arange(0, BLOCK)
    squares = tl.zeros([BLOCK], tl.float32)
    for at in range(0, length, BLOCK):
        there = at + places < length
        apart = tl.where(there, tl.load(weight + at + places, mask=there, other=0.0) - mean, 0.0)
        squares += apart * apart
    scale = 1.0 / tl.sqrt(tl.sum(squares, axis=0) / length + eps)
    for at in range(0, length, BLOCK):
        there = at + places < length
        value = (tl.load(weight + at + places, mask=there, other=0.0) - mean) * scale
        tl.store(kernel + at + places, value.to(KERNEL), mask=there)
    return scale


@triton.jit
def standardise_rows(
    weights, kernels, tensor_of, row_of, lengths, means, scales, eps, KERNEL: tl.constexpr, BLOCK: tl.constexpr
):
    """Write (w - mean) / sqrt(var + eps) of one output channel, and keep mean and 1 / sqrt(var + eps).

    Args:
        weights: (T,) int64, addresses of float32 weights, each a dense row of `lengths[t]` numbers an output channel.
        kernels: (T,) int64, addresses of what is written, laid out as the weights.
        tensor_of: (R,) int32, which tensor a program's row is of.
        row_of: (R,) int32, which of its rows.
        lengths: (T,) int32.
        means: (R,) float32, written.
        scales: (R,) float32, written.
        eps: added to the variance.
        KERNEL: type of what is written.
        BLOCK: numbers at a time.
    """
    program = tl.program_id(0)
    tensor = tl.load(tensor_of + program)
    length = tl.load(lengths + tensor)
    start = tl.load(row_of + program).to(tl.int64) * length
    weight = tl.load(weights + tensor).to(tl.pointer_type(tl.float32)) + start
    kernel = tl.load(kernels + tensor).to(tl.pointer_type(KERNEL)) + start
    places = tl.arange(0, BLOCK)
    total = tl.zeros([BLOCK], tl.float32)
    for at in range(0, length, BLOCK):
        total += tl.load(weight + at + places, mask=at + places < length, other=0.0)
    mean = tl.sum(total, axis=0) / length
    scale = standardise_row(weight, kernel, mean, length, eps, KERNEL, BLOCK)
    tl.store(means + program, mean)
    tl.store(scales + program, scale)


@triton.jit
def update_rows(
    weights,
    momenta,
    gradients,
    kernels,
    tensor_of,
    row_of,
    lengths,
    means,
    scales,
    rate,
    momentum,
    decay,
    eps,
    GRADIENT: tl.constexpr,
    KERNEL: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Take one SGD step with one output channel of a standardised convolution, and standardise it for the next step.

    With u = (w - mean) / sqrt(var + eps), s = 1 / sqrt(var + eps) and g the gradient of u, that of w is
    s (g - mean(g) - u mean(g u)). Then v = momentum v + gradient + decay w, and w = w - rate v.

    Args:
        weights: as of `standardise_rows`, changed.
        momenta: (T,) int64, addresses of float32 momenta, changed.
        gradients: (T,) int64, addresses of the gradients of what `standardise_rows` wrote.
        kernels: as of `standardise_rows`, written.
        tensor_of: as of `standardise_rows`.
        row_of: likewise.
        lengths: likewise.
        means: (R,) float32, of the weights as they are; changed to what they become.
        scales: (R,) float32, likewise.
        rate: learning rate.
        momentum: share of the old momentum that stays.
        decay: weight decay.
        eps: as of `standardise_rows`.
        GRADIENT: type of the gradients.
        KERNEL: type of the standardised weights.
        BLOCK: numbers at a time.
    """
    program = tl.program_id(0)
    tensor = tl.load(tensor_of + program)
    length = tl.load(lengths + tensor)
    start = tl.load(row_of + program).to(tl.int64) * length
    weight = tl.load(weights + tensor).to(tl.pointer_type(tl.float32)) + start
    moving = tl.load(momenta + tensor).to(tl.pointer_type(tl.float32)) + start
    gradient = tl.load(gradients + tensor).to(tl.pointer_type(GRADIENT)) + start
    kernel = tl.load(kernels + tensor).to(tl.pointer_type(KERNEL)) + start
    mean = tl.load(means + program)
    scale = tl.load(scales + program)
    places = tl.arange(0, BLOCK)
    plain = tl.zeros([BLOCK], tl.float32)
    along = tl.zeros([BLOCK], tl.float32)
    for at in range(0, length, BLOCK):
        there = at + places < length
        g = tl.load(gradient + at + places, mask=there, other=0.0).to(tl.float32)
        u = (tl.load(weight + at + places, mask=there, other=0.0) - mean) * scale
        plain += g
        along += g * u
    g_mean = tl.sum(plain, axis=0) / length
    g_along = tl.sum(along, axis=0) / length
    total = tl.zeros([BLOCK], tl.float32)
    for at in range(0, length, BLOCK):
        there = at + places < length
        g = tl.load(gradient + at + places, mask=there, other=0.0).to(tl.float32)
        w = tl.load(weight + at + places, mask=there, other=0.0)
        v = tl.load(moving + at + places, mask=there, other=0.0)
        v = momentum * v + scale * (g - g_mean - (w - mean) * scale * g_along) + decay * w
        w -= rate * v
        tl.store(moving + at + places, v, mask=there)
        tl.store(weight + at + places, w, mask=there)
        total += tl.where(there, w, 0.0)
    tl.debug_barrier()  # what other threads of the program wrote is read below
    mean = tl.sum(total, axis=0) / length
    scale = standardise_row(weight, kernel, mean, length, eps, KERNEL, BLOCK)
    tl.store(means + program, mean)
    tl.store(scales + program, scale)


@triton.jit
def norm_relu_forward(
    images,
    gains,
    offsets,
    made,
    means,
    scales,
    positions,
    channels,
    groups,
    eps,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Write relu(group norm) of one group of one image.

    Args:
        images: (N, positions, channels), channels last.
        gains: (channels,) float32.
        offsets: (channels,) float32.
        made: as images, written.
        means: (N, groups) float32, written.
        scales: (N, groups) float32, 1 / sqrt(var + eps), written.
        positions: height times width.
        channels: all of them.
        groups: of channels.
        eps: added to the variance.
        WIDTH: channels of a group, up to a power of two.
        BLOCK: positions at a time.
    """
    program = tl.program_id(0)
    width = channels // groups
    channel = tl.arange(0, WIDTH)
    inside = channel < width
    first = (program // groups).to(tl.int64) * positions * channels + (program % groups) * width
    rows = tl.arange(0, BLOCK)
    total = tl.zeros([BLOCK, WIDTH], tl.float32)
    for at in range(0, positions, BLOCK):
        there = (at + rows < positions)[:, None] & inside[None, :]
        place = first + (at + rows)[:, None] * channels + channel[None, :]
        total += tl.load(images + place, mask=there, other=0.0).to(tl.float32)
    count = positions * width
    mean = tl.sum(tl.sum(total, axis=1), axis=0) / count
    squares = tl.zeros([BLOCK, WIDTH], tl.float32)
    for at in range(0, positions, BLOCK):
        there = (at + rows < positions)[:, None] & inside[None, :]
        place = first + (at + rows)[:, None] * channels + channel[None, :]
        apart = tl.where(there, tl.load(images + place, mask=there, other=0.0).to(tl.float32) - mean, 0.0)
        squares += apart * apart
    scale = 1.0 / tl.sqrt(tl.sum(tl.sum(squares, axis=1), axis=0) / count + eps)
    own = (program % groups) * width + channel
    gain = tl.load(gains + own, mask=inside, other=0.0)[None, :]
    offset = tl.load(offsets + own, mask=inside, other=0.0)[None, :]
    for at in range(0, positions, BLOCK):
        there = (at + rows < positions)[:, None] & inside[None, :]
        place = first + (at + rows)[:, None] * channels + channel[None, :]
        x = tl.load(images + place, mask=there, other=0.0).to(tl.float32)
        y = (x - mean) * scale * gain + offset
        # Not a number stays one: the maximum of 0 and it would be 0.
        tl.store(made + place, tl.where(y < 0, 0.0, y).to(made.dtype.element_ty), mask=there)
    tl.store(means + program, mean)
    tl.store(scales + program, scale)


@triton.jit
def norm_relu_backward(
    images,
    gradients,
    gains,
    offsets,
    means,
    scales,
    of_images,
    of_gains,
    of_offsets,
    positions,
    channels,
    groups,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Write the gradient of one group of one image, and its share of those of gains and offsets.

    With u = (x - mean) s, a = gain g where the output is positive: that of x is s (a - mean(a) - u mean(a u)).

    Args:
        images: (N, positions, channels), channels last.
        gradients: as images, of the output.
        gains: (channels,) float32.
        offsets: (channels,) float32.
        means: (N, groups) float32.
        scales: (N, groups) float32.
        of_images: as images, written.
        of_gains: (N, channels) float32, written.
        of_offsets: (N, channels) float32, written.
        positions: height times width.
        channels: all of them.
        groups: of channels.
        WIDTH: channels of a group, up to a power of two.
        BLOCK: positions at a time.
    """
    program = tl.program_id(0)
    width = channels // groups
    channel = tl.arange(0, WIDTH)
    inside = channel < width
    image = program // groups
    own = (program % groups) * width + channel
    first = image.to(tl.int64) * positions * channels + (program % groups) * width
    rows = tl.arange(0, BLOCK)
    mean = tl.load(means + program)
    scale = tl.load(scales + program)
    gain = tl.load(gains + own, mask=inside, other=0.0)[None, :]
    offset = tl.load(offsets + own, mask=inside, other=0.0)[None, :]
    by_gain = tl.zeros([BLOCK, WIDTH], tl.float32)
    by_offset = tl.zeros([BLOCK, WIDTH], tl.float32)
    for at in range(0, positions, BLOCK):
        there = (at + rows < positions)[:, None] & inside[None, :]
        place = first + (at + rows)[:, None] * channels + channel[None, :]
        u = (tl.load(images + place, mask=there, other=0.0).to(tl.float32) - mean) * scale
        g = tl.load(gradients + place, mask=there, other=0.0).to(tl.float32)
        g = tl.where(u * gain + offset > 0, g, 0.0)
        by_gain += tl.where(there, g * u, 0.0)
        by_offset += g
    gain_share = tl.sum(by_gain, axis=0)
    offset_share = tl.sum(by_offset, axis=0)
    tl.store(of_gains + image * channels + own, gain_share, mask=inside)
    tl.store(of_offsets + image * channels + own, offset_share, mask=inside)
    count = positions * width
    along = tl.sum(gain_share * tl.sum(gain, axis=0), axis=0) / count
    plain = tl.sum(offset_share * tl.sum(gain, axis=0), axis=0) / count
    for at in range(0, positions, BLOCK):
        there = (at + rows < positions)[:, None] & inside[None, :]
        place = first + (at + rows)[:, None] * channels + channel[None, :]
        u = (tl.load(images + place, mask=there, other=0.0).to(tl.float32) - mean) * scale
        g = tl.load(gradients + place, mask=there, other=0.0).to(tl.float32)
        g = tl.where(u * gain + offset > 0, g, 0.0)
        x = scale * (g * gain - plain - u * along)
        tl.store(of_images + place, x.to(of_images.dtype.element_ty), mask=there)
