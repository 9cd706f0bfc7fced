"""Specifications with made-up scores, for the tests of curves and of joint permutation tests."""

import numpy as np

from harness.stats.joint_permutation import SpecificationScores


def generator(seed=0):
    return np.random.default_rng(seed)


def scores(a, b, name="one", levels=(), networks=("a", "b")):
    a, b = np.atleast_2d(np.asarray(a, float)), np.atleast_2d(np.asarray(b, float))
    names = [tuple(f"{side}{i}" for i in range(len(of))) for side, of in zip(networks, (a, b), strict=True)]
    return SpecificationScores(name, tuple(levels), a, b, *names)


def random_scores(rng, networks=3, n=60, gain=0.0, **given):
    right = rng.random(n) * 0.6 + 0.2
    return scores(rng.random((networks, n)) < right + gain, rng.random((networks, n)) < right, **given)
