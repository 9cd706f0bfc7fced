"""Shapes that are known are those that torch would compute."""

import torch

from harness.cost.known_shapes import KnownShapes


def empty(*shape):
    return torch.empty(shape, device="meta")


def test_known_shapes_are_those_that_would_be_computed():
    def compute():
        a = empty(4, 6).t()
        normalised = torch.native_layer_norm(a, [4], None, None, 1e-6)
        return [a + 1, a + 1, (a > 0) + 1, a.to(torch.bfloat16), *normalised, *torch.var_mean(a, dim=1), a.sum()]

    def kinds(found):
        return [(each.shape, each.stride(), each.dtype) for each in found]

    expected = kinds(compute())
    with KnownShapes():
        assert kinds(compute()) == expected
        first = compute()
        assert kinds(first) == expected  # the second time they are known
        assert len({each.untyped_storage()._cdata for each in first}) == len(first)


def test_known_shapes_are_of_operations_that_change_nothing():
    a = empty(4, 6)
    with KnownShapes():
        for _ in range(2):
            assert a.view(24).untyped_storage()._cdata == a.untyped_storage()._cdata
            assert a.add_(1) is a
        whole, real = torch.full((2,), 1, device="meta"), torch.full((2,), 1.0, device="meta")
    assert (whole.dtype, real.dtype) == (torch.int64, torch.float32)
