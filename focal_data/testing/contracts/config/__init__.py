"""The suite of the config store, composed of one class per promise."""

from __future__ import annotations

from focal_data.testing.contracts.config.archiving import ArchiveContract
from focal_data.testing.contracts.config.deletion import DeletionContract
from focal_data.testing.contracts.config.isolation import IsolationContract
from focal_data.testing.contracts.config.keeping import KeepingContract
from focal_data.testing.contracts.config.listing import ListingContract
from focal_data.testing.contracts.config.naming import NamesContract
from focal_data.testing.contracts.config.parts import PartsContract
from focal_data.testing.contracts.config.refusing import RefusalContract
from focal_data.testing.contracts.config.searching import SearchContract
from focal_data.testing.contracts.config.transacting import TransactionContract

__all__ = ["ConfigStoreContract"]


class ConfigStoreContract(
    KeepingContract,
    RefusalContract,
    IsolationContract,
    DeletionContract,
    PartsContract,
    NamesContract,
    ListingContract,
    ArchiveContract,
    SearchContract,
    TransactionContract,
):
    """What ``stores/base.py`` and ``stores/config.py`` promise.

    Needs ``.tenant_id``, ``.config``, ``.transaction()`` and ``.in_transaction()`` of a tenant.
    """
