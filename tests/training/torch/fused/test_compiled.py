"""Every fused kernel compiles for the cards that it is for: Triton and its assembler need none to be there."""

import pytest
from triton import compile as compiled
from triton import language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from harness.training.torch.fused import kernels, token_kernels

CAPABILITIES = {"A100": 80, "H100": 90}
NUMBERS, LOW, WHOLE, PLACES = "*fp32", "*bf16", "i32", "*i64"
ROWS = {"tensor_of": "*i32", "row_of": "*i32", "lengths": "*i32", "means": NUMBERS, "scales": NUMBERS}
IMAGES = {"positions": WHOLE, "channels": WHOLE, "groups": WHOLE}
NORM = {"gains": NUMBERS, "offsets": NUMBERS, "means": NUMBERS, "scales": NUMBERS}
SGD = {"rate": "fp32", "momentum": "fp32", "decay": "fp32"}
UPDATED = dict.fromkeys(("weights", "momenta", "gradients"), PLACES)
KINDS = {"GRADIENT": tl.bfloat16, "BLOCK": 1024}
TOKENS = {"tokens": WHOLE, "width": WHOLE}
KERNELS = [
    (kernels.standardise_rows, {"weights": PLACES, "kernels": PLACES, "eps": "fp32"} | ROWS,
     {"KERNEL": tl.bfloat16, "BLOCK": 1024}),
    (kernels.update_rows, UPDATED | {"kernels": PLACES, "eps": "fp32"} | ROWS | SGD, KINDS | {"KERNEL": tl.bfloat16}),
    (kernels.norm_relu_forward, {"images": LOW, "made": LOW, "eps": "fp32"} | NORM | IMAGES,
     {"WIDTH": 8, "BLOCK": 512}),
    (kernels.norm_relu_backward, dict.fromkeys(("images", "gradients", "of_images"), LOW)
     | dict.fromkeys(("of_gains", "of_offsets"), NUMBERS) | NORM | IMAGES, {"WIDTH": 8, "BLOCK": 512}),
    (token_kernels.add_norm_forward, {"residuals": NUMBERS, "branches": LOW, "sums": NUMBERS, "normed": LOW,
     "width": WHOLE, "eps": "fp32"} | NORM, {"ADD": True, "BLOCK": 1024}),
    (token_kernels.add_norm_backward, dict.fromkeys(("of_sums", "sums", "gains", "means", "scales"), NUMBERS)
     | {"of_normed": LOW, "of_residuals": NUMBERS, "of_branches": LOW, "shares": NUMBERS} | TOKENS,
     {"SUMMED": True, "ADD": True, "BLOCK": 1024}),
    *[(token_kernels.gelu_backward, {"inputs": LOW, "gradients": LOW, "of_inputs": LOW, "shares": NUMBERS} | TOKENS,
     {"TANH": tanh, "BLOCK": 1024}) for tanh in (True, False)],
    (token_kernels.join_heads, dict.fromkeys(("queries", "keys", "values", "joined"), LOW) | {"shares": NUMBERS}
     | dict.fromkeys(("tokens", "length", "heads", "size", "of_image", "of_head", "of_token"), WHOLE),
     {"BLOCK": 1024}),
    *[(token_kernels.update_chunk, UPDATED | {"copies": PLACES, "tensor_of": "*i32", "chunk_of": "*i32",
     "lengths": "*i32", "share": NUMBERS} | SGD, KINDS | {"MOMENTUM": momentum, "COPY": tl.bfloat16, "TURNS": 4})
     for momentum in (tl.float32, tl.bfloat16)],
]  # fmt: skip
"""A kernel, the types of its arguments, and its constants."""


@pytest.mark.parametrize("capability", CAPABILITIES.values(), ids=CAPABILITIES)
@pytest.mark.parametrize(("kernel", "types", "constants"), KERNELS, ids=[each[0].__name__ for each in KERNELS])
def test_a_kernel_compiles(kernel, types, constants, capability, monkeypatch, tmp_path):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("TRITON_DEFAULT_FP_FUSION", "1")  # unset, it is a warning
    signature = {name: types.get(name, "constexpr") for name in kernel.arg_names}
    made = compiled(ASTSource(kernel, signature, constants), target=GPUTarget("cuda", capability, 32))
    assert made.asm["cubin"]
