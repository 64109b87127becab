"""Continuous distributions.

Where a draw is a smooth function of a parameter and of a standard draw, that function is computed with recorded
operations, so gradients reach tracked parameters (the reparametrisation of Kingma and Welling, "Auto-encoding
variational Bayes", 2014, section 2.4).  The shapes of ``gamma``, ``beta`` and ``dirichlet`` have no such form: a
tracked one is an error.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..registry import functions
from ..tensor import Tensor
from .base import FINITE, NOT_NEGATIVE, POSITIVE, Draws, floating_dtype, result_shape, untracked


class Continuous(Draws):
    """The continuous distributions of a Generator."""

    def random(self, size=None, dtype=np.float64) -> Tensor:
        """Uniform in [0, 1)."""
        return self._uniform(result_shape("random", size, {}), floating_dtype("random", dtype))

    def standard_normal(self, size=None, dtype=np.float64) -> Tensor:
        """Normal with mean 0 and standard deviation 1."""
        return self._normal(result_shape("standard_normal", size, {}), floating_dtype("standard_normal", dtype))

    def standard_exponential(self, size=None, dtype=np.float64) -> Tensor:
        """Exponential with mean 1."""
        shape = result_shape("standard_exponential", size, {})
        return self._exponential(shape, floating_dtype("standard_exponential", dtype))

    def uniform(self, low=0.0, high=1.0, size=None, *, dtype=None) -> Tensor:
        """Uniform from ``low`` to below ``high``, which rounding may include: ``low + (high - low) * u``."""
        shape, dtype, (low, high) = self._parameters("uniform", size, dtype, low=low, high=high)
        self._require("uniform", FINITE, low=low, high=high)
        width = high - low
        self._require("uniform", NOT_NEGATIVE, **{"high - low": width})
        return low + width * self._uniform(shape, dtype)

    def normal(self, loc=0.0, scale=1.0, size=None, *, dtype=None) -> Tensor:
        """Normal with mean ``loc`` and standard deviation ``scale``: ``loc + scale * z``."""
        shape, dtype, loc, scale = self._located("normal", loc, scale, size, dtype)
        return loc + scale * self._normal(shape, dtype)

    def _located(self, function: str, loc: Any, scale: Any, size: Any, dtype: Any):
        shape, dtype, (loc, scale) = self._parameters(function, size, dtype, loc=loc, scale=scale)
        self._require(function, NOT_NEGATIVE, scale=scale)
        return shape, dtype, loc, scale

    def lognormal(self, mean=0.0, sigma=1.0, size=None, *, dtype=None) -> Tensor:
        """What has a normal logarithm: ``exp(mean + sigma * z)``."""
        shape, dtype, (mean, sigma) = self._parameters("lognormal", size, dtype, mean=mean, sigma=sigma)
        self._require("lognormal", NOT_NEGATIVE, sigma=sigma)
        return functions.exp(mean + sigma * self._normal(shape, dtype))

    def laplace(self, loc=0.0, scale=1.0, size=None, *, dtype=None) -> Tensor:
        """Laplace, the difference of two exponentials: ``loc + scale * (e1 - e2)``."""
        shape, dtype, loc, scale = self._located("laplace", loc, scale, size, dtype)
        return loc + scale * (self._exponential(shape, dtype) - self._exponential(shape, dtype))

    def logistic(self, loc=0.0, scale=1.0, size=None, *, dtype=None) -> Tensor:
        """Logistic, the logarithm of a ratio of exponentials: ``loc + scale * log(e1 / e2)``."""
        shape, dtype, loc, scale = self._located("logistic", loc, scale, size, dtype)
        standard = self._log_exponential(shape) - self._log_exponential(shape)
        return loc + scale * functions.astype(standard, dtype, copy=False)

    def gumbel(self, loc=0.0, scale=1.0, size=None, *, dtype=None) -> Tensor:
        """Gumbel, the law of the largest of many: ``loc - scale * log(e)``."""
        shape, dtype, loc, scale = self._located("gumbel", loc, scale, size, dtype)
        return loc - scale * functions.astype(self._log_exponential(shape), dtype, copy=False)

    def exponential(self, scale=1.0, size=None, *, dtype=None) -> Tensor:
        """Exponential with mean ``scale``: ``scale * e``."""
        shape, dtype, (scale,) = self._parameters("exponential", size, dtype, scale=scale)
        self._require("exponential", NOT_NEGATIVE, scale=scale)
        return scale * self._exponential(shape, dtype)

    def truncated_normal(self, low=-2.0, high=2.0, loc=0.0, scale=1.0, size=None, *, dtype=None) -> Tensor:
        """Normal, kept between ``loc + low * scale`` and ``loc + high * scale``: ``loc + scale * z``.

        The bounds are numbers of standard deviations.  ``z`` comes from the inverse of the normal distribution function
        in the lower half, in float64: probabilities there are kept to 37 standard deviations, and bounds that leave
        only what lies beyond are refused.
        """
        name = "truncated_normal"
        shape, dtype, (low, high, loc, scale) = self._parameters(
            name, size, dtype, low=low, high=high, loc=loc, scale=scale
        )
        untracked(name, low=low, high=high)
        self._require(name, NOT_NEGATIVE, scale=scale)
        self._require(name, POSITIVE, **{"high - low": high - low})
        self._require(name, (lambda v: v <= 37, "be at most 37", "Draw an exponential beyond low instead."), low=low)
        self._require(name, (lambda v: v >= -37, "be at least -37", "Draw an exponential below high."), high=high)
        a, b = (self._constant(self._raw(v, shape, np.float64), v) for v in (low, high))
        upper = a > -b  # then the mirror image is drawn, where small probabilities keep their digits
        bottom, top = functions.where(upper, -b, a), functions.where(upper, -a, b)
        ndtr, u = functions.special.ndtr, self._uniform(shape)
        z = functions.special.ndtri(ndtr(bottom) * (1.0 - u) + ndtr(top) * u)
        z = functions.clip(z, bottom, top)
        z = functions.astype(functions.where(upper, -z, z), dtype, copy=False)
        return loc + scale * z

    def multivariate_normal(self, mean, cov, size=None, *, method="cholesky", dtype=None) -> Tensor:
        """Normal vectors with mean ``mean`` (..., k) and covariance ``cov`` (..., k, k): ``mean + A @ z``.

        ``A`` is a square root of ``cov``: its Cholesky factor, or for ``method="eigh"``, which takes singular matrices
        too, the symmetric one.
        """
        name = "multivariate_normal"
        if method not in ("cholesky", "eigh"):
            raise ValueError(f"{name}: unknown method; got {method!r}. Use 'cholesky' or 'eigh'.")
        mean, cov = self._parameter(name, "mean", mean), self._parameter(name, "cov", cov)
        k = getattr(mean, "shape", ())[-1:]
        if not k or getattr(cov, "shape", ())[-2:] != 2 * k:
            got = f"{getattr(mean, 'shape', ())} and {getattr(cov, 'shape', ())}"
            raise ValueError(f"{name}: mean (..., k) and cov (..., k, k) do not fit together; got {got}.")
        batch = result_shape(name, size, {"mean": mean.shape[:-1], "cov": cov.shape[:-2]})
        _, dtype, (mean, cov) = self._parameters(name, None, dtype, core=2, mean=mean[..., None], cov=cov)
        if method == "cholesky":
            root = functions.linalg.cholesky(cov)
        else:
            values, vectors = functions.linalg.eigh(cov)
            values = functions.expand_dims(functions.sqrt(functions.clip(values, 0.0, None)), axis=-2)
            root = functions.matmul(vectors * values, functions.matrix_transpose(vectors))
        drawn = mean + functions.matmul(root, self._normal((*batch, *k, 1), dtype))
        return functions.squeeze(drawn, axis=-1)

    # Through gamma variables ----------------------------------------------------------------------------------------

    def standard_gamma(self, shape, size=None, dtype=None) -> Tensor:
        """Gamma with the given shape and scale 1."""
        return self._gamma("standard_gamma", shape, size, dtype)

    def gamma(self, shape, scale=1.0, size=None, *, dtype=None) -> Tensor:
        """Gamma: ``scale * g``, where ``g`` has the given shape and scale 1."""
        extent, dtype, (shape, scale) = self._parameters("gamma", size, dtype, shape=shape, scale=scale)
        self._require("gamma", NOT_NEGATIVE, scale=scale)
        return scale * self._gamma("gamma", shape, extent, dtype)

    def _gamma(self, function: str, shape: Any, size: Any, dtype: Any) -> Tensor:
        extent, dtype, (shape,) = self._parameters(function, size, dtype, shape=shape)
        untracked(function, shape=shape)
        self._require(function, NOT_NEGATIVE, shape=shape)
        drawn = self._constant(self._source.gamma(self._raw(shape, extent, np.float64)), shape)
        return functions.astype(drawn, dtype, copy=False)

    def beta(self, a, b, size=None, *, dtype=None) -> Tensor:
        """Beta, the share of one gamma variable in the sum of two: ``g1 / (g1 + g2)``."""
        shape, dtype, (a, b) = self._parameters("beta", size, dtype, a=a, b=b)
        untracked("beta", a=a, b=b)
        self._require("beta", POSITIVE, a=a, b=b)
        first, second = (self._log_gamma(self._raw(v, shape, np.float64)) for v in (a, b))
        shares = _shares(functions.stack([first, second], axis=-1))
        return functions.astype(self._constant(shares[..., 0].value, a, b), dtype, copy=False)

    def dirichlet(self, alpha, size=None, *, dtype=None) -> Tensor:
        """Shares of k gamma variables of shapes ``alpha`` (..., k) in their sum."""
        alpha = self._vector("dirichlet", "alpha", alpha)
        shape, dtype, (alpha,) = self._parameters("dirichlet", size, dtype, core=1, alpha=alpha)
        untracked("dirichlet", alpha=alpha)
        self._require("dirichlet", POSITIVE, alpha=alpha)
        shares = _shares(self._log_gamma(self._raw(alpha, shape + alpha.shape[-1:], np.float64)))
        return functions.astype(self._constant(shares.value, alpha), dtype, copy=False)

    def _log_gamma(self, shape: Any) -> Tensor:
        """Logarithms of gamma variables, finite however small the shape: a gamma of shape ``a`` is that of ``a + 1``
        times ``u**(1/a)`` (Marsaglia and Tsang, "A simple method for generating gamma variables", 2000, section 6).
        """
        larger = self._constant(self._source.gamma(shape + 1.0))
        return functions.log(larger) - self._exponential(tuple(shape.shape)) / self._constant(shape)


def _shares(logs: Tensor) -> Tensor:
    """exp(logs) over its sum along the last axis."""
    parts = functions.exp(logs - functions.max(logs, axis=-1, keepdims=True))
    return parts / functions.sum(parts, axis=-1, keepdims=True)
