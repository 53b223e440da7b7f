"""What a process remembers of the chains it writes to, so that most rows are chained without asking where a chain ends."""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from contextlib import AbstractAsyncContextManager, nullcontext
from itertools import cycle
from typing import Final
from uuid import UUID
from weakref import WeakValueDictionary

from focal_data.domain.chain import LANES, AuditKeys, ChainHead, lane

REMEMBERED: Final = 10_000
"""Heads kept by a process, the longest unused forgotten first: about 3 MB."""

OWN_LANES: Final = 32
"""Lanes that a process uses: few of all there are, so that two processes seldom write to the same one."""

Key = tuple[UUID, UUID]
"""A tenant, and a chain of it."""


class Chaining:
    """The keys, and the heads as this process last saw them. A guess, never trusted: the database compares it."""

    def __init__(self, keys: AuditKeys | None) -> None:
        self.keys = keys
        """``None`` when no key is set: then nothing is chained."""
        self._heads: OrderedDict[Key, ChainHead] = OrderedDict()
        self._turns: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()
        self._lanes = cycle([lane(number) for number in random.sample(range(LANES), OWN_LANES)])

    def lane(self) -> UUID:
        """The chain for a row without a session."""
        return next(self._lanes)

    def turn(self, key: Key) -> AbstractAsyncContextManager[object]:
        """To be entered for writing at the end of a chain: by one task at a time, since all others would write in vain."""
        turn = self._turns.get(key)
        if turn is None:
            turn = self._turns[key] = asyncio.Lock()
        return turn

    def head(self, key: Key) -> ChainHead | None:
        """Where the chain probably ends; ``None`` when nothing is known of it."""
        return self._heads.get(key)

    def remember(self, key: Key, head: ChainHead) -> None:
        """That the chain ends there, once it is written."""
        self._heads[key] = head
        self._heads.move_to_end(key)
        if len(self._heads) > REMEMBERED:
            self._heads.popitem(last=False)


class TransactionChaining(Chaining):
    """What one transaction has written, before it is known whether it lasts; of other chains, what the process knows."""

    def __init__(self, process: Chaining) -> None:
        self.keys = process.keys
        self._process = process
        self._written: dict[Key, ChainHead] = {}
        self._lane: UUID | None = None

    def lane(self) -> UUID:
        """One for all rows of the transaction: two of them can't wait for each other crosswise."""
        self._lane = self._lane or self._process.lane()
        return self._lane

    def turn(self, key: Key) -> AbstractAsyncContextManager[object]:
        """At once: a transaction waits for the head's lock in the database, and for nothing else."""
        return nullcontext()

    def head(self, key: Key) -> ChainHead | None:
        """Where the chain ends for this transaction, or else probably."""
        return self._written.get(key) or self._process.head(key)

    def remember(self, key: Key, head: ChainHead) -> None:
        """That the chain ends there, if the transaction lasts."""
        self._written[key] = head

    def committed(self) -> None:
        """Tell the process where the chains are now."""
        for key, head in self._written.items():
            self._process.remember(key, head)
