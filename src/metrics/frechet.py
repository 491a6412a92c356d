"""The Frechet distance between two sets of pictures, from features that are never kept."""

from functools import cached_property

import numpy as np
import scipy.linalg
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

# Below it the covariances of some thousand features are mostly noise.
ENOUGH_PICTURES = 2048


class Gaussian:
    """Mean and covariance of features, summed up batch by batch in double precision."""

    def __init__(self) -> None:
        self.count = 0
        self._sum: Tensor | None = None
        self._products: Tensor | None = None

    def add(self, features: Float[Tensor, "b d"]) -> None:
        x = features.double().cpu()
        self.count += len(x)
        self._sum = x.sum(dim=0) + (0 if self._sum is None else self._sum)
        self._products = x.T @ x + (0 if self._products is None else self._products)

    @property
    def mean(self) -> Float[ndarray, " d"]:
        assert self._sum is not None
        return (self._sum / self.count).numpy()

    @property
    def covariance(self) -> Float[ndarray, "d d"]:
        assert self._products is not None
        centred = self._products.numpy() - self.count * np.outer(self.mean, self.mean)
        return centred / max(1, self.count - 1)

    @cached_property
    def root(self) -> Float[ndarray, "d d"]:
        """Square root of the covariance, kept once asked for: several sets are compared with it."""
        values, vectors = scipy.linalg.eigh(self.covariance)
        return (vectors * np.sqrt(values.clip(min=0))) @ vectors.T


def distance(one: Gaussian, other: Gaussian) -> float:
    """Squared Frechet distance |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of two Gaussians.

    Source: Heusel et al. 2017. The trace of the root is that of (R C2 R)^(1/2) with R = C1^(1/2),
    which is symmetric, so that it stays real where there are fewer pictures than features.
    """
    middle = one.root @ other.covariance @ one.root
    shared = np.sqrt(scipy.linalg.eigvalsh((middle + middle.T) / 2).clip(min=0)).sum()
    apart = np.square(one.mean - other.mean).sum()
    total = np.trace(one.covariance) + np.trace(other.covariance)
    return max(0.0, float(apart + total - 2 * shared))
