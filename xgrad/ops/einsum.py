"""Sums of products over labelled axes.

A specification becomes one tuple of labels per operand.  Two operands at a time are contracted by one matrix product:
labels that both have and the result keeps are its batch axes, labels that both have and nobody else needs are summed.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Iterable
from typing import Any

from ..axes import diagonal_slice
from ..core import composite

Labels = tuple[Any, ...]


@composite
def einsum(xp, subscripts, *operands, optimize=True, dtype=None):
    """Sum of products over labelled axes: ``einsum("ij,jk->ik", a, b)``, or ``einsum(a, [0, 1], b, [1, 2], [0, 2])``.

    ``optimize`` orders the contraction of three or more operands: True, the name of a strategy of opt_einsum, a path
    (pairs of positions, as NumPy and opt_einsum write it), or False for left to right.
    """
    if not isinstance(subscripts, str):
        operands, terms, result = _interleaved((subscripts, *operands))
    else:
        terms, result = _parsed(subscripts)
    if len(terms) != len(operands):
        raise ValueError(f"einsum: the subscripts name {len(terms)} operands; got {len(operands)}: {subscripts!r}.")
    arrays: Any = [v if isinstance(v, int | float | complex) else xp.asarray(v) for v in operands]
    kind = xp.result_type(*arrays) if dtype is None else dtype
    arrays = [xp.asarray(v, dtype=kind) if getattr(v, "dtype", None) != kind else v for v in arrays]
    logical = xp.isdtype(arrays[0].dtype, "bool")  # a sum of truths: whether there is one
    if logical:
        arrays = [xp.astype(a, "int64") for a in arrays]
    labels, output = _labelled(terms, result, tuple(a.ndim for a in arrays))
    arrays, parts = _consistent(xp, arrays, labels)
    pairs = _order(tuple(parts), output, tuple(tuple(a.shape) for a in arrays), optimize)
    waiting = list(zip(arrays, parts, strict=True))
    for positions in pairs:
        chosen = [waiting.pop(i) for i in sorted(positions, reverse=True)][::-1]
        while len(chosen) > 1:
            (a, la), (b, lb), *chosen = chosen
            needed = {label for _, others in (*waiting, *chosen) for label in others}.union(output)
            last = not waiting and not chosen
            chosen.insert(0, _contracted(xp, a, la, b, lb, needed, output if last else ()))
        waiting += chosen
    x, have = _summed(xp, *waiting[0], set(output))
    x = _arranged(xp, x, have, output)
    return x != 0 if logical else x


# Specifications -------------------------------------------------------------------------------------------------------


@functools.lru_cache(512)
def _parsed(subscripts: str) -> tuple[tuple[Labels, ...], Labels | None]:
    """One tuple of letters (and Ellipsis) per operand, and that of the result, None when it is implicit."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    terms = tuple(_letters(term, subscripts) for term in left.split(","))
    return terms, _letters(right, subscripts) if arrow else None


def _letters(term: str, subscripts: str) -> Labels:
    parts = term.split("...")
    strange = sorted(set("".join(c for c in term.replace("...", "") if not c.isalpha())))
    if len(parts) > 2 or strange:
        what = f"{strange[0]!r} in {term!r}" if strange else f"{term!r} with more than one '...'"
        raise ValueError(f"einsum: subscripts are letters, and one '...' per operand; got {what} of {subscripts!r}.")
    return (*parts[0], Ellipsis, *parts[1]) if len(parts) == 2 else tuple(term)


def _interleaved(arguments: tuple) -> tuple[tuple, tuple[Labels, ...], Labels | None]:
    """Operands, labels and result of the form ``a, [0, 1], b, [1, 2], [0, 2]``."""
    result = _listed(arguments[-1]) if len(arguments) % 2 else None
    if len(arguments) < 2:
        raise TypeError("einsum: subscripts must be a string, or a list after every operand; got one argument.")
    pairs = arguments[: len(arguments) // 2 * 2]
    return pairs[::2], tuple(map(_listed, pairs[1::2])), result


def _listed(labels: Any) -> Labels:
    if not isinstance(labels, Iterable) or isinstance(labels, str):
        raise TypeError(f"einsum: the labels of an operand are a list of ints; got {labels!r}.")
    return tuple(label if label is Ellipsis else int(label) for label in labels)


def _shown(label: Any) -> str:
    """A label as the user wrote it: a letter, a number, or an axis of an ellipsis."""
    return f"axis {-label[1]} of '...'" if isinstance(label, tuple) else repr(label)


@functools.lru_cache(512)
def _labelled(
    terms: tuple[Labels, ...], result: Labels | None, ndims: tuple[int, ...]
) -> tuple[tuple[Labels, ...], Labels]:
    """Every axis with a label, the axes of an ellipsis as ``("...", i)``, i counted from its right end."""
    full, widest = [], 0
    for i, (term, ndim) in enumerate(zip(terms, ndims, strict=True)):
        named = len(term) - (Ellipsis in term)
        if term.count(Ellipsis) > 1 or named > ndim or (named < ndim and Ellipsis not in term):
            written = "".join("..." if t is Ellipsis else str(t) for t in term)
            raise ValueError(
                f"einsum: operand {i} has {ndim} axes; got the subscripts {written!r}, which name {named}."
            )
        full.append(_widened(term, ndim - named))
        widest = max(widest, ndim - named)
    broadcast = tuple(("...", k) for k in range(widest, 0, -1))
    every = [label for labels in full for label in labels if not isinstance(label, tuple)]
    if result is None:
        return tuple(full), (*broadcast, *sorted(label for label in set(every) if every.count(label) == 1))
    output = _widened(result, widest)
    if widest and Ellipsis not in result:
        raise ValueError("einsum: the operands have axes of '...'; got a result without it. Write '...' there too.")
    for label in output:
        if output.count(label) > 1:
            raise ValueError(f"einsum: the result names {_shown(label)} more than once. Name each label once.")
        if not isinstance(label, tuple) and label not in every:
            raise ValueError(f"einsum: the result names {_shown(label)}; got no operand that has it.")
    return tuple(full), output


def _widened(term: Labels, count: int) -> Labels:
    if Ellipsis not in term:
        return term
    place = term.index(Ellipsis)
    return (*term[:place], *(("...", k) for k in range(count, 0, -1)), *term[place + 1 :])


def _consistent(xp, arrays, labels):
    """Diagonals of repeated labels taken, and axes of one dropped where another operand has more elements."""
    extents: dict[Any, tuple[int, int]] = {}
    for i, (a, names) in enumerate(zip(arrays, labels, strict=True)):
        for label, n in zip(names, a.shape, strict=True):
            m, first = extents.get(label, (1, i))
            if n != m and 1 not in (n, m):
                raise ValueError(
                    f"einsum: {_shown(label)} must have one extent; got {m} in operand {first}, {n} in {i}."
                )
            if n != 1:
                extents[label] = (n, first if m != 1 else i)
    out, parts = [], []
    for i, (a, names) in enumerate(zip(arrays, labels, strict=True)):
        if len(set(names)) < len(names):
            a, names = _diagonals(xp, a, names, i)
        kept = tuple(k for k, label in enumerate(names) if a.shape[k] != 1 or label not in extents)
        if len(kept) < len(names):
            a, names = xp.reshape(a, tuple(a.shape[k] for k in kept)), tuple(names[k] for k in kept)
        out.append(a)
        parts.append(names)
    return out, parts


def _diagonals(xp, a, names, operand):
    """One axis for a label that the operand has more than once."""
    for label in dict.fromkeys(names):
        while names.count(label) > 1:
            i = names.index(label)
            j = names.index(label, i + 1)
            n, rest = a.shape[i], [k for k in range(a.ndim) if k not in (i, j)]
            if a.shape[j] != n:
                raise ValueError(
                    f"einsum: {_shown(label)} must have one extent; got {n} and {a.shape[j]} in operand {operand}."
                )
            flat = xp.reshape(xp.permute_dims(a, (*rest, i, j)), (*(a.shape[k] for k in rest), n * n))
            a = xp.getitem(flat, key=(Ellipsis, diagonal_slice(n, n)))
            names = (*(names[k] for k in rest), label)
    return a, names


# Contraction ----------------------------------------------------------------------------------------------------------


def _summed(xp, x, have, needed):
    """``x`` summed over the labels that nobody needs."""
    axes = tuple(i for i, label in enumerate(have) if label not in needed)
    if not axes:
        return x, have
    return xp.sum(x, axis=axes, dtype=x.dtype), tuple(label for label in have if label in needed)


def _arranged(xp, x, have, want):
    """``x`` with its axes in the order of ``want``, which holds the same labels."""
    return x if have == want else xp.permute_dims(x, tuple(have.index(label) for label in want))


def _contracted(xp, a, la, b, lb, needed, output):
    """The product of two operands, summed over what both have and nobody else needs, and the labels of the result."""
    a, la = _summed(xp, a, la, needed.union(lb))
    b, lb = _summed(xp, b, lb, needed.union(la))
    both = [label for label in la if label in lb]
    inner = tuple(label for label in both if label not in needed)
    rank = {label: i for i, label in enumerate(output)}
    if not inner:
        want = tuple(sorted({*la, *lb}, key=rank.__getitem__)) if output else (*la, *(c for c in lb if c not in la))
        return _aligned(xp, a, la, want) * _aligned(xp, b, lb, want), want
    left, right = (tuple(label for label in have if label not in both) for have in (la, lb))
    if output and left and right and rank[left[-1]] > rank[right[-1]]:  # the result then needs no transpose
        a, la, left, b, lb, right = b, lb, right, a, la, left
    batch = tuple(sorted((c for c in both if c not in inner), key=lambda c: rank.get(c, 0)))
    if math.prod(a.shape) < math.prod(b.shape):
        inner = tuple(c for c in lb if c in inner)  # the larger operand is the one not to copy
    extents = dict(zip((*la, *lb), (*a.shape, *b.shape), strict=True))
    vectors = (not left and not batch), (not right and not batch)
    rows = _grouped(xp, a, la, batch, () if vectors[0] else (left,), inner, extents)
    columns = _grouped(xp, b, lb, batch, (), inner, extents, () if vectors[1] else (right,))
    want = (*batch, *left, *right)
    product = xp.matmul(rows, columns)
    shape = tuple(extents[label] for label in want)
    return product if tuple(product.shape) == shape else xp.reshape(product, shape), want


def _grouped(xp, x, have, batch, before, inner, extents, after=()):
    """``x`` with its batch axes, then the groups of axes before, the summed ones, and those after, each as one axis."""
    groups = (*before, inner, *after)
    x = _arranged(xp, x, have, (*batch, *(label for group in groups for label in group)))
    if all(len(group) == 1 for group in groups):
        return x
    sizes = (math.prod(extents[label] for label in group) for group in groups)
    return xp.reshape(x, (*(extents[label] for label in batch), *sizes))


def _aligned(xp, x, have, want):
    """``x`` with an axis for every label of ``want``, of one element where it has none."""
    x = _arranged(xp, x, have, tuple(label for label in want if label in have))
    if len(have) == len(want):
        return x
    extents = iter(x.shape)
    shape = tuple(next(extents) if label in have else 1 for label in want)
    while shape and shape[0] == 1 and want[len(want) - len(shape)] not in have:
        shape = shape[1:]  # broadcasting adds leading axes by itself
    return x if shape == tuple(x.shape) else xp.reshape(x, shape)


# Order ----------------------------------------------------------------------------------------------------------------


@functools.lru_cache(512)
def _pairwise(parts: tuple[Labels, ...], output: Labels, shapes: tuple[tuple[int, ...], ...], strategy: Any) -> Any:
    extents = {c: n for labels, shape in zip(parts, shapes, strict=True) for c, n in zip(labels, shape, strict=True)}
    inputs = [frozenset(labels) for labels in parts]
    try:
        paths = importlib.import_module("opt_einsum.paths")
    except ImportError:
        return _greedy(inputs, frozenset(output), extents)
    name = "auto" if strategy is True else strategy
    return tuple(map(tuple, paths.get_path_fn(name)(inputs, frozenset(output), extents)))


def _greedy(inputs: list[frozenset], output: frozenset, extents: dict[Any, int]) -> tuple[tuple[int, ...], ...]:
    """Pairs to contract, each time the one whose result adds least to what must be kept."""
    inputs, path = list(inputs), []

    def size(labels):
        return math.prod(extents[label] for label in labels)

    def result(i, j):
        others = output.union(*(s for k, s in enumerate(inputs) if k not in (i, j)))
        return (inputs[i] | inputs[j]) & others

    while len(inputs) > 1:
        pairs = [(i, j) for j in range(len(inputs)) for i in range(j)]
        i, j = min(pairs, key=lambda p: size(result(*p)) - size(inputs[p[0]]) - size(inputs[p[1]]))
        made = result(i, j)
        del inputs[j], inputs[i]
        inputs.append(made)
        path.append((i, j))
    return tuple(path)


def _order(parts, output, shapes, optimize):
    """Groups of positions to contract, one after another; a result goes to the end of what waits."""
    count = len(parts)
    if isinstance(optimize, list | tuple) and not (optimize and optimize[0] in ("greedy", "optimal")):
        path = [tuple(step) for step in optimize if not isinstance(step, str)]
        if sum(len(step) - 1 for step in path) != count - 1:
            raise ValueError(f"einsum: optimize must be a path that contracts {count} operands; got {optimize!r}.")
        return path
    if count < 3 or optimize is False:
        return [tuple(range(count))] if count > 1 else []
    strategy = optimize[0] if isinstance(optimize, list | tuple) else optimize
    return _pairwise(parts, output, shapes, strategy)
