"""What the claim's number is: how many steps gradient descent takes to the minimum of a random quadratic function."""

import numpy as np

RATE, ENOUGH, MOST = 0.1, 1e-6, 10_000
MOMENTUM = {"gradient descent": 0.0, "momentum": 0.9}


def steps(contender, dataset, seed):
    """Return how many steps it takes until the gradient is small."""
    generator = np.random.default_rng(seed)
    curvature = generator.uniform(0.1, 1.0, size={"10 dimensions": 10, "100 dimensions": 100}[dataset])
    point = generator.normal(size=curvature.shape)
    velocity = np.zeros_like(point)
    for step in range(1, MOST):
        gradient = curvature * point
        if np.linalg.norm(gradient) < ENOUGH:
            return step
        velocity = MOMENTUM[contender.architecture] * velocity - RATE * gradient
        point += velocity
    return MOST
