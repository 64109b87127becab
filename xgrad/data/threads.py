"""Work done ahead by background threads, its results in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

_NAME = "xgrad.data"


def ordered_map(
    function: Callable[..., T], items: Iterable[tuple[Any, ...]], workers: int, ahead: int
) -> Generator[T, None, None]:
    """``function(*item)`` of every item, in order; threads compute up to ``ahead`` results before they are asked for.

    An exception comes out in the place of its result, with its own traceback.  When the generator is closed, or nobody
    holds it any more, what has not begun is dropped and the threads end.
    """
    if not workers:
        for item in items:
            yield function(*item)
        return
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(workers, thread_name_prefix=_NAME)
    pending: deque[Any] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, *item))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        # A thread cannot wait for itself: the garbage collector may close the generator in one of the threads.
        here = threading.current_thread().name.startswith(_NAME)
        pool.shutdown(wait=not here, cancel_futures=True)
