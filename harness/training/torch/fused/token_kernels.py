# mypy: ignore-errors
# (Triton has no types, and what its functions take has none in Python.)
"""Triton kernels for a transformer's tokens: residual sums with their norms, gradients of GELU and heads, SGD.

Each reads and writes every number once and computes in float32. Gradients of what all tokens share, e.g. biases, are
written as one partial sum a program. Importing this module imports triton (see kernels.py).
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def add_norm_forward(
    residuals,
    branches,
    gains,
    offsets,
    sums,
    normed,
    means,
    scales,
    width,
    eps,
    ADD: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Write residual + branch of one token, and the layer norm of that.

    Args:
        residuals: (N, width).
        branches: (N, width); not read where ADD is False.
        gains: (width,) float32.
        offsets: (width,) float32.
        sums: (N, width), written where ADD is True.
        normed: (N, width), written.
        means: (N,) float32, written.
        scales: (N,) float32, 1 / sqrt(var + eps), written.
        width: of a token.
        eps: added to the variance.
        ADD: whether there is a branch.
        BLOCK: width, up to a power of two.
    """
    token = tl.program_id(0).to(tl.int64)
    places = tl.arange(0, BLOCK)
    there = places < width
    at = token * width + places
    x = tl.load(residuals + at, mask=there, other=0.0).to(tl.float32)
    if ADD:
        x += tl.load(branches + at, mask=there, other=0.0).to(tl.float32)
        tl.store(sums + at, x.to(sums.dtype.element_ty), mask=there)
    mean = tl.sum(x, axis=0) / width
    apart = tl.where(there, x - mean, 0.0)
    scale = 1.0 / tl.sqrt(tl.sum(apart * apart, axis=0) / width + eps)
    gain = tl.load(gains + places, mask=there, other=0.0)
    offset = tl.load(offsets + places, mask=there, other=0.0)
    tl.store(normed + at, (apart * scale * gain + offset).to(normed.dtype.element_ty), mask=there)
    tl.store(means + token, mean)
    tl.store(scales + token, scale)


@triton.jit
def add_norm_backward(
    of_sums,
    of_normed,
    sums,
    gains,
    means,
    scales,
    of_residuals,
    of_branches,
    shares,
    tokens,
    width,
    SUMMED: tl.constexpr,
    ADD: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Write the gradients of residual and branch of every so-manyth token, and shares of those of gain and offset.

    With u = (x - mean) s and a = gain g, that of x is s (a - mean(a) - u mean(a u)), plus that of x itself.

    Args:
        of_sums: (N, width), gradient of the sums; not read where SUMMED is False.
        of_normed: (N, width), gradient of what is normed.
        sums: (N, width).
        gains: (width,) float32.
        means: (N,) float32.
        scales: (N,) float32.
        of_residuals: (N, width), written.
        of_branches: (N, width), the same in the branch's type, written where ADD is True.
        shares: (programs, 3, width) float32, of the gradients of gain, offset and a bias in the branch, written.
        tokens: N.
        width: of a token.
        SUMMED: whether the sums have a gradient of their own.
        ADD: whether there is a branch.
        BLOCK: width, up to a power of two.
    """
    program = tl.program_id(0)
    places = tl.arange(0, BLOCK)
    there = places < width
    gain = tl.load(gains + places, mask=there, other=0.0)
    of_gain = tl.zeros([BLOCK], tl.float32)
    of_offset = tl.zeros([BLOCK], tl.float32)
    of_bias = tl.zeros([BLOCK], tl.float32)
    for each in range(program, tokens, tl.num_programs(0)):
        token = tl.cast(each, tl.int64)
        at = token * width + places
        mean = tl.load(means + token)
        scale = tl.load(scales + token)
        x = tl.load(sums + at, mask=there, other=0.0).to(tl.float32)
        u = tl.where(there, (x - mean) * scale, 0.0)
        g = tl.load(of_normed + at, mask=there, other=0.0).to(tl.float32)
        of_gain += g * u
        of_offset += g
        a = g * gain
        plain = tl.sum(a, axis=0) / width
        along = tl.sum(a * u, axis=0) / width
        found = scale * (a - plain - u * along)
        if SUMMED:
            found += tl.load(of_sums + at, mask=there, other=0.0).to(tl.float32)
        tl.store(of_residuals + at, found.to(of_residuals.dtype.element_ty), mask=there)
        if ADD:
            tl.store(of_branches + at, found.to(of_branches.dtype.element_ty), mask=there)
            of_bias += tl.where(there, found, 0.0)
    place = program * 3 * width + places
    tl.store(shares + place, of_gain, mask=there)
    tl.store(shares + place + width, of_offset, mask=there)
    tl.store(shares + place + 2 * width, of_bias, mask=there)


@triton.jit
def gelu_backward(inputs, gradients, of_inputs, shares, tokens, width, TANH: tl.constexpr, BLOCK: tl.constexpr):
    """Write the gradient of GELU for some columns of every so-manyth token, and the columns' sums.

    Args:
        inputs: (N, width).
        gradients: (N, width), of the output.
        of_inputs: (N, width), written.
        shares: (programs, width) float32, sums of what is written.
        tokens: N.
        width: of a token.
        TANH: GELU by tanh; otherwise by erf.
        BLOCK: columns at a time.
    """
    program = tl.program_id(0)
    places = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    there = places < width
    share = tl.zeros([BLOCK], tl.float32)
    for each in range(program, tokens, tl.num_programs(0)):
        token = tl.cast(each, tl.int64)
        at = token * width + places
        x = tl.load(inputs + at, mask=there, other=0.0).to(tl.float32)
        g = tl.load(gradients + at, mask=there, other=0.0).to(tl.float32)
        if TANH:
            inner = 0.7978845608028654 * (x + 0.044715 * x * x * x)
            t = 2.0 / (1.0 + tl.exp(-2.0 * inner)) - 1.0
            slope = 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * 0.7978845608028654 * (1.0 + 3.0 * 0.044715 * x * x)
        else:
            slope = 0.5 * (1.0 + tl.erf(0.7071067811865476 * x)) + x * 0.3989422804014327 * tl.exp(-0.5 * x * x)
        found = tl.where(there, g * slope, 0.0)
        tl.store(of_inputs + at, found.to(of_inputs.dtype.element_ty), mask=there)
        share += found
    tl.store(shares + program * width + places, share, mask=there)


@triton.jit
def join_heads(
    queries,
    keys,
    values,
    joined,
    shares,
    tokens,
    length,
    heads,
    size,
    of_image,
    of_head,
    of_token,
    BLOCK: tl.constexpr,
):
    """Write the gradients of every so-manyth token's queries, keys or values beside each other, and their sums.

    Args:
        queries: (B, heads, length, size), any strides but 1 of the last.
        keys: likewise, with the same strides.
        values: likewise.
        joined: (B, length, 3, heads, size), written.
        shares: (programs, 3, heads, size) float32, sums of what is written.
        tokens: B times length.
        length: tokens of an image.
        heads: of attention.
        size: of a head.
        of_image: stride.
        of_head: stride.
        of_token: stride.
        BLOCK: heads times size, up to a power of two.
    """
    program = tl.program_id(0)
    part = tl.program_id(1)
    source = queries
    if part == 1:
        source = keys
    if part == 2:
        source = values
    width = heads * size
    places = tl.arange(0, BLOCK)
    there = places < width
    inside = (places // size) * of_head + places % size
    share = tl.zeros([BLOCK], tl.float32)
    for each in range(program, tokens, tl.num_programs(0)):
        token = tl.cast(each, tl.int64)
        row = (token // length) * of_image + (token % length) * of_token
        x = tl.load(source + row + inside, mask=there, other=0.0)
        tl.store(joined + (token * 3 + part) * width + places, x, mask=there)
        share += x.to(tl.float32)
    tl.store(shares + (program * 3 + part) * width + places, share, mask=there)


@triton.jit
def update_chunk(
    weights,
    momenta,
    gradients,
    copies,
    tensor_of,
    chunk_of,
    lengths,
    share,
    rate,
    momentum,
    decay,
    GRADIENT: tl.constexpr,
    MOMENTUM: tl.constexpr,
    COPY: tl.constexpr,
    BLOCK: tl.constexpr,
    TURNS: tl.constexpr,
):
    """Take one SGD step with a chunk of a weight, and write its copy in a lower precision.

    v = momentum v + share gradient + decay w, and w = w - rate v; only then is v rounded to the momenta's type.

    Args:
        weights: (T,) int64, addresses of float32 weights, changed.
        momenta: (T,) int64, addresses of momenta, changed.
        gradients: (T,) int64, addresses.
        copies: (T,) int64, addresses, written.
        tensor_of: (C,) int32, which tensor a program's chunk is of.
        chunk_of: (C,) int32, which of its chunks.
        lengths: (T,) int32, numbers of a tensor.
        share: (1,) float32, of the gradients that clipping leaves.
        rate: learning rate.
        momentum: share of the old momentum that stays.
        decay: weight decay.
        GRADIENT: type of the gradients.
        MOMENTUM: type of the momenta.
        COPY: type of the copies.
        BLOCK: numbers at a time.
        TURNS: of BLOCK numbers, in a chunk.
    """
    program = tl.program_id(0)
    tensor = tl.load(tensor_of + program)
    length = tl.load(lengths + tensor)
    weight = tl.load(weights + tensor).to(tl.pointer_type(tl.float32))
    moving = tl.load(momenta + tensor).to(tl.pointer_type(MOMENTUM))
    gradient = tl.load(gradients + tensor).to(tl.pointer_type(GRADIENT))
    left = tl.load(share)
    copy = tl.load(copies + tensor).to(tl.pointer_type(COPY))
    start = tl.load(chunk_of + program) * BLOCK * TURNS
    for turn in range(TURNS):
        at = start + turn * BLOCK + tl.arange(0, BLOCK)
        there = at < length
        w = tl.load(weight + at, mask=there, other=0.0)
        g = left * tl.load(gradient + at, mask=there, other=0.0).to(tl.float32)
        v = momentum * tl.load(moving + at, mask=there, other=0.0).to(tl.float32) + g + decay * w
        w -= rate * v
        tl.store(moving + at, v.to(MOMENTUM), mask=there)
        tl.store(weight + at, w, mask=there)
        tl.store(copy + at, w.to(COPY), mask=there)
