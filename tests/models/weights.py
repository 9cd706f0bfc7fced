"""Bytes of small weights files, made by the libraries that make real ones."""

import io

import numpy as np


def npz(value=0.0, shape=(2, 3)):
    buffer = io.BytesIO()
    np.savez(buffer, kernel=np.full(shape, value, np.float32), bias=np.zeros(3, np.float32))
    return buffer.getvalue()


def safetensors(value=0.0, shape=(2, 3)):
    from safetensors.numpy import save

    return save({"kernel": np.full(shape, value, np.float32), "bias": np.zeros(3, np.float16)})


def pytorch(value=0.0, **options):
    import torch

    buffer = io.BytesIO()
    torch.save({"kernel": torch.full((2, 3), value)}, buffer, **options)
    return buffer.getvalue()


LFS = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 345592\n"
)
HTML = b"\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>429 Too Many Requests</body></html>\n"
