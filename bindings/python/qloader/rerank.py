"""A second look at the best hits, by a function of yours. Registered by `Runtime.register_reranker`, asked for by `search(reranker=...)`.

>>> def shortest_first(question, hits):
...     return [-len(hit.text) for hit in hits]
"""
from __future__ import annotations

import array
import ctypes
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ._ops import Adapter
from ._structs import ql_str
from ._values import record_out, text_out
from .search import Hit

RerankFunction = Callable[[str, Sequence[Hit]], Iterable[float]]


class RerankerAdapter(Adapter):
    """Answers the functions of a ql_reranker_ops (see _ops.py)."""

    ends_call = frozenset({"rerank"})

    def __init__(self, rerank: RerankFunction) -> None:
        self._rerank = rerank

    def rerank(self, question: ql_str, hits: Any, count: int, out: Any) -> None:
        scores = array.array("d", self._rerank(text_out(question), [record_out(Hit, hits[i]) for i in range(count)]))
        if len(scores) != count:
            raise ValueError(f"a reranker returned {len(scores)} scores for {count} hits")
        ctypes.memmove(out, scores.tobytes(), count * scores.itemsize)
