"""What the store of an agent's memory promises, as tests."""

from __future__ import annotations

from focal_data.testing.contracts.memory.arguments import MemoryArgumentsContract
from focal_data.testing.contracts.memory.clock import MemoryClockContract
from focal_data.testing.contracts.memory.episodes import EpisodesContract
from focal_data.testing.contracts.memory.graph import GraphContract
from focal_data.testing.contracts.memory.groups import GroupsContract
from focal_data.testing.contracts.memory.history import HistoryContract
from focal_data.testing.contracts.memory.hybrid import HybridSearchContract
from focal_data.testing.contracts.memory.isolation import MemoryIsolationContract
from focal_data.testing.contracts.memory.lists import MemoryListsContract
from focal_data.testing.contracts.memory.races import MemoryRacesContract
from focal_data.testing.contracts.memory.refusals import MemoryRefusalsContract
from focal_data.testing.contracts.memory.spoiled import SpoiledMemoriesContract
from focal_data.testing.contracts.memory.transactions import MemoryTransactionsContract
from focal_data.testing.contracts.memory.traversal import TraversalContract
from focal_data.testing.contracts.memory.vectors import VectorSearchContract
from focal_data.testing.contracts.memory.words import TextSearchContract


class MemoryStoreContract(
    EpisodesContract,
    MemoryListsContract,
    GraphContract,
    HistoryContract,
    TraversalContract,
    GroupsContract,
    VectorSearchContract,
    TextSearchContract,
    HybridSearchContract,
    MemoryRacesContract,
    MemoryIsolationContract,
    MemoryRefusalsContract,
    MemoryArgumentsContract,
    SpoiledMemoriesContract,
    MemoryTransactionsContract,
):
    """Every promise of ``MemoryStore``. It needs a ``config`` and a ``profiles`` store beside it."""


__all__ = ["MemoryClockContract", "MemoryStoreContract"]
