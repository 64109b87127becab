"""Discrete distributions, choices and shuffles.

A draw that jumps has a derivative of zero wherever it has one, so what is drawn here is a constant: values do not flow
from the parameters into it.  What is chosen or shuffled does flow.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arguments import as_dtype
from ..axes import normalise_axis
from ..errors import kind
from ..registry import functions
from ..tensor import Tensor
from .base import NOT_NEGATIVE, POSITIVE, PROBABILITY, Draws, check_sum, detached, floating_dtype, result_shape


class Discrete(Draws):
    """The discrete distributions, choices and shuffles of a Generator."""

    def integers(self, low, high=None, size=None, dtype=np.int64, endpoint=False) -> Tensor:
        """Integers from ``low`` to below ``high`` (up to ``high`` for ``endpoint=True``); from 0 to ``low`` without it.

        Bounds may be arrays; theirs are drawn by a remainder, whose bias is below the width divided by 2**63.
        """
        low, high = (0, low) if high is None else (low, high)
        known = as_dtype(dtype)
        low, high = (self._whole("integers", n, v) for n, v in (("low", low), ("high", high)))
        if known.kind not in "iu":
            raise TypeError(f"integers: dtype must be an integer type; got {known}. Use xgrad.int64, or bernoulli.")
        shape = result_shape("integers", size, {n: getattr(v, "shape", ()) for n, v in (("low", low), ("high", high))})
        least, most = np.iinfo(known).min, min(np.iinfo(known).max, np.iinfo(np.int64).max)
        advice = "Use another dtype."
        self._require("integers", (lambda v: v >= least, f"be at least {least} for {known}", advice), low=low)
        most += not endpoint
        self._require("integers", (lambda v: v <= most, f"be at most {most} for {known}", advice), high=high)
        if type(low) is int and type(high) is int:
            end = high + bool(endpoint)
            if low >= end:
                raise ValueError(f"integers: low must be below high; got {low} and {high}.")
            return functions.astype(self._constant(self._source.integers(low, end, shape)), known, copy=False)
        width = high - low + int(endpoint)
        self._require("integers", POSITIVE, **{"high - low": width})
        drawn = low + self._constant(self._source.integers(0, 2**63, shape)) % width
        return functions.astype(drawn, known, copy=False)

    def _whole(self, function: str, name: str, value: Any) -> Any:
        """A parameter as a Python int or an int64 Tensor."""
        value = detached(self._parameter(function, name, value))
        if isinstance(value, Tensor) and value.dtype.kind in "iu":
            return functions.astype(value, np.int64, copy=False)
        if type(value) is not int:
            raise TypeError(f"{function}: {name} must hold integers; got {kind(value)}. Convert with astype.")
        return value

    def bernoulli(self, p=0.5, size=None, dtype=bool) -> Tensor:
        """True with probability ``p``."""
        shape, precision, (p,) = self._parameters("bernoulli", size, None, p=p)
        self._require("bernoulli", PROBABILITY, p=p)
        return functions.astype(self._uniform(shape, precision) < detached(p), as_dtype(dtype), copy=False)

    def rademacher(self, size=None, dtype=np.float64) -> Tensor:
        """-1 or 1, each with probability one half."""
        drawn = self._constant(self._source.integers(0, 2, result_shape("rademacher", size, {})))
        return functions.astype(2 * drawn - 1, as_dtype(dtype), copy=False)

    def dropout_mask(self, shape, p=0.5, dtype=np.float64) -> Tensor:
        """Factors for inverted dropout: 0 with probability ``p``, else ``1 / (1 - p)``, so their mean is 1."""
        dtype = floating_dtype("dropout_mask", dtype)
        p = self._parameter("dropout_mask", "p", p)
        if isinstance(p, Tensor):
            raise TypeError(f"dropout_mask: p must be a number; got {kind(p)}. Give one probability.")
        self._require("dropout_mask", PROBABILITY, p=p)
        kept = self._uniform(result_shape("dropout_mask", shape, {}), np.float32) >= p
        return functions.astype(kept, dtype) * (1.0 / (1.0 - p) if p < 1 else 0.0)

    def poisson(self, lam=1.0, size=None) -> Tensor:
        """Counts of events that come at the rate ``lam``, int64."""
        shape, _, (lam,) = self._parameters("poisson", size, np.float64, lam=lam)
        self._require("poisson", NOT_NEGATIVE, lam=lam)
        self._require("poisson", (lambda v: v < 2.0**62, "be below 2**62", "Draw a normal instead."), lam=lam)
        return self._constant(self._source.poisson(self._raw(lam, shape, np.float64)), lam)

    def binomial(self, n, p, size=None) -> Tensor:
        """Successes in ``n`` trials of probability ``p``, int64."""
        n, p = self._whole("binomial", "n", n), detached(self._parameter("binomial", "p", p))
        shape = result_shape("binomial", size, {"n": getattr(n, "shape", ()), "p": getattr(p, "shape", ())})
        self._require("binomial", NOT_NEGATIVE, n=n)
        self._require("binomial", PROBABILITY, p=p)
        drawn = self._source.binomial(self._raw(n, shape, np.int64), self._raw(p, shape, np.float64))
        return self._constant(drawn, n, p)

    def multinomial(self, n, pvals, size=None) -> Tensor:
        """How ``n`` trials fall into k categories of probabilities ``pvals`` (..., k), int64; k binomial draws."""
        n = self._whole("multinomial", "n", n)
        pvals = detached(self._vector("multinomial", "pvals", pvals))
        shape = result_shape("multinomial", size, {"n": getattr(n, "shape", ()), "pvals": pvals.shape[:-1]})
        self._require("multinomial", NOT_NEGATIVE, n=n)
        self._require("multinomial", PROBABILITY, pvals=pvals)
        check_sum("multinomial", "pvals", pvals)
        p = self._constant(self._raw(pvals, shape + pvals.shape[-1:], np.float64))
        left = self._constant(self._raw(n, shape, np.int64))
        tails = functions.flip(functions.cumulative_sum(functions.flip(p, axis=-1), axis=-1), axis=-1)
        counts = []
        for i in range(pvals.shape[-1] - 1):  # of the trials left, a category takes its share of what is left
            tail = functions.where(tails[..., i] > 0, tails[..., i], 1.0)
            share = functions.clip(p[..., i] / tail, 0.0, 1.0)
            counts.append(self._constant(self._source.binomial(left.value, share.value)))
            left = left - counts[-1]
        return self._constant(functions.stack([*counts, left], axis=-1).value, n, pvals)

    def categorical(self, logits, size=None, *, axis=-1) -> Tensor:
        """Positions along ``axis``, with probabilities proportional to ``exp(logits)``, int64.

        Computed as ``argmax(logits + gumbel)``, so a drawn array needs k times its memory meanwhile; ``choice`` does
        not.
        """
        logits = detached(self._vector("categorical", "logits", logits))
        logits = functions.moveaxis(logits, normalise_axis(axis, logits.ndim, "categorical"), -1)
        k = logits.shape[-1:]
        if k == (0,):
            raise ValueError(f"categorical: there must be something to choose from; got no logits along axis {axis}.")
        shape = result_shape("categorical", size, {"logits": logits.shape[:-1]})
        return functions.argmax(logits - self._log_exponential(shape + k), axis=-1)

    # Choices and shuffles -------------------------------------------------------------------------------------------

    def choice(self, a, size=None, replace=True, p=None, axis=0) -> Tensor:
        """Elements of ``a`` along ``axis``, or integers below the int ``a``, with probabilities ``p``; recorded."""
        values, n = self._population("choice", a, axis)
        shape = result_shape("choice", size, {})
        count = math.prod(shape)
        if n < 1 and count:
            raise ValueError("choice: there must be something to choose from; got no element in a.")
        if not replace and count > n:
            raise ValueError(f"choice: {n} elements do not give {count} without repetition; got replace=False.")
        index = functions.reshape(self._chosen(n, count, replace, p), shape)
        return index if values is None else functions.take(values, index, axis=axis)

    def _chosen(self, n: int, count: int, replace: bool, p: Any) -> Tensor:
        if p is None:
            if replace:
                return self._constant(self._source.integers(0, max(n, 1), (count,)))
            return self._constant(self._source.permutation(n))[:count]
        p = detached(self._vector("choice", "p", p))
        if p.shape != (n,):
            raise ValueError(f"choice: p must hold one probability per element; got shape {p.shape} for {n} elements.")
        self._require("choice", PROBABILITY, p=p)
        check_sum("choice", "p", p)
        p = functions.astype(p, np.float64)
        if replace:
            steps = functions.cumulative_sum(p)
            return functions.searchsorted(steps / steps[-1], self._uniform((count,)), side="right")
        enough = (lambda v: v >= count, f"hold {count} positive values", "Draw fewer, or with replace=True.")
        self._require("choice", enough, p=functions.sum(p > 0))
        # Exponential clocks that tick at the rates p: the first ticks are draws without repetition.
        ticks = self._exponential((n,)) / functions.where(p > 0, p, 1.0)
        return functions.argsort(functions.where(p > 0, ticks, math.inf))[:count]

    def _population(self, function: str, a: Any, axis: int) -> tuple[Tensor | None, int]:
        """What is chosen from, as an array (None for the integers below an int), and how many there are."""
        a = a.item() if isinstance(a, np.generic) else a
        if type(a) is int:
            if a < 0:
                raise ValueError(f"{function}: an int must not be negative; got {a}. Give the number of elements.")
            return None, a
        values = functions.asarray(a)
        if not values.ndim:
            raise TypeError(f"{function}: expected an int or an array of at least one axis; got {kind(values)}.")
        return values, values.shape[normalise_axis(axis, values.ndim, function)]

    def permutation(self, x, axis=0) -> Tensor:
        """``x`` with its slices along ``axis`` in random order, recorded; the integers below an int in that order."""
        values, n = self._population("permutation", x, axis)
        order = self._constant(self._source.permutation(n))
        return order if values is None else functions.take(values, order, axis=axis)

    def permuted(self, x, *, axis=None) -> Tensor:
        """``x`` with every line along ``axis`` in a random order of its own, recorded; all elements for None."""
        x = functions.asarray(x)
        if axis is None:
            return functions.reshape(self.permutation(functions.reshape(x, (-1,))), x.shape)
        axis = normalise_axis(axis, x.ndim, "permuted")
        return functions.take_along_axis(x, functions.argsort(self._uniform(x.shape), axis=axis), axis=axis)

    def shuffle(self, x, axis=0) -> None:
        """Put the slices of the Tensor ``x`` along ``axis`` in random order, in place, recorded as any write is."""
        if not isinstance(x, Tensor):
            raise TypeError(f"shuffle: only a Tensor is changed in place; got {kind(x)}. Use permutation.")
        x[...] = self.permutation(x, axis)
