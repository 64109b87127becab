"""Vocabularies: text as numbers, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

import xgrad as xg


class Vocabulary:
    """The characters of a text, numbered in order.

    Parameters
    ----------
    text : str
        What to take the characters from; they alone rebuild it: ``Vocabulary(vocabulary.characters)``.

    Attributes
    ----------
    characters : str
        Each once, sorted; character ``i`` has the number ``i``.

    Raises
    ------
    ValueError
        When the text is empty.

    Examples
    --------
    >>> from xgrad.data import Vocabulary
    >>> vocabulary = Vocabulary("hello world")
    >>> len(vocabulary), vocabulary.characters
    (8, ' dehlorw')
    >>> vocabulary.encode("held")
    array([3, 2, 4, 1])
    >>> vocabulary.decode([7, 5, 6, 1])
    'word'
    """

    def __init__(self, text: str):
        if not isinstance(text, str):
            raise TypeError(f"Vocabulary: text must be a str; got {type(text).__name__}. For bytes use ByteVocabulary.")
        if not text:
            raise ValueError("Vocabulary: text is empty; got no character. Give the text to learn from.")
        self._codes = np.unique(_codes(text))
        self.characters = _text(self._codes)

    def __len__(self) -> int:
        return len(self._codes)

    def encode(self, text: str) -> np.ndarray:
        """The numbers of the characters of a text, shape (len(text),), int64; ValueError for one that is unknown."""
        codes = _codes(text)
        numbers = np.searchsorted(self._codes, codes).astype(np.int64)
        unknown = np.flatnonzero(self._codes[np.minimum(numbers, len(self) - 1)] != codes)
        if unknown.size:
            raise ValueError(
                f"encode: a character is not in the vocabulary; got {text[unknown[0]]!r} at position {unknown[0]}. "
                "Make the vocabulary from all the text there is."
            )
        return numbers

    def decode(self, numbers: Any) -> str:
        """The text of numbers: an array on any device, or a list; ValueError for one out of range."""
        return _text(self._codes[_host_numbers(numbers, len(self))])

    def __repr__(self) -> str:
        return f"Vocabulary({self.characters!r})"


class ByteVocabulary:
    """The 256 bytes: any text has numbers, those of its UTF-8.

    Examples
    --------
    >>> from xgrad.data import ByteVocabulary
    >>> vocabulary = ByteVocabulary()
    >>> vocabulary.encode("né")
    array([110, 195, 169])
    >>> vocabulary.decode([110, 195, 169])
    'né'
    """

    def __len__(self) -> int:
        return 256

    def encode(self, text: str | bytes) -> np.ndarray:
        """The bytes of a text, shape (bytes,), int64."""
        data = text.encode() if isinstance(text, str) else text
        return np.frombuffer(data, np.uint8).astype(np.int64)

    def decode(self, numbers: Any) -> str:
        """The text of bytes: an array on any device, or a list; what is no UTF-8 becomes U+FFFD."""
        return _host_numbers(numbers, 256).astype(np.uint8).tobytes().decode(errors="replace")

    def __repr__(self) -> str:
        return "ByteVocabulary()"


def _codes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def _text(codes: np.ndarray) -> str:
    return codes.tobytes().decode("utf-32-le", "surrogatepass")


def _host_numbers(numbers: Any, count: int) -> np.ndarray:
    array = numbers.detach().numpy() if isinstance(numbers, xg.Tensor) else np.asarray(numbers)
    array = array.reshape(-1)
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"decode: numbers must be integers; got {array.dtype}. Take argmax of scores first.")
    wrong = array[(array < 0) | (array >= count)]
    if wrong.size:
        raise ValueError(f"decode: a number is out of range; got {wrong[0]} for a vocabulary of {count}.")
    return array.astype(np.int64)
