"""The suite of the config store, composed of one class per promise."""

from __future__ import annotations

from focal_data.testing.contracts.config.deletion import (
    DeletionContract,
    ForeignContract,
    PartsContract,
)
from focal_data.testing.contracts.config.keeping import KeepingContract
from focal_data.testing.contracts.config.listing import ArchiveContract, ListingContract
from focal_data.testing.contracts.config.naming import NamesContract
from focal_data.testing.contracts.config.searching import SearchContract
from focal_data.testing.contracts.config.transacting import TransactionContract

__all__ = ["ConfigStoreContract"]


class ConfigStoreContract(
    KeepingContract,
    DeletionContract,
    PartsContract,
    NamesContract,
    ForeignContract,
    ListingContract,
    ArchiveContract,
    SearchContract,
    TransactionContract,
):
    """What ``stores/base.py`` and ``stores/config.py`` promise. Needs ``.config`` and ``.transaction()`` of a tenant."""
