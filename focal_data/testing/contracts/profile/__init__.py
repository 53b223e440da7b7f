"""What the store of customers' profiles promises, as tests."""

from __future__ import annotations

from focal_data.testing.contracts.profile.customers import CustomersContract
from focal_data.testing.contracts.profile.fields import FieldsContract
from focal_data.testing.contracts.profile.isolation import ProfileIsolationContract
from focal_data.testing.contracts.profile.memories import MergedMemoriesContract
from focal_data.testing.contracts.profile.merging import MergingContract
from focal_data.testing.contracts.profile.parts import ChannelsAndAssetsContract
from focal_data.testing.contracts.profile.persons import PersonsMemoriesContract
from focal_data.testing.contracts.profile.races import ProfileRacesContract
from focal_data.testing.contracts.profile.refusals import ProfileRefusalsContract
from focal_data.testing.contracts.profile.transactions import ProfileTransactionsContract


class ProfileStoreContract(
    CustomersContract,
    ChannelsAndAssetsContract,
    FieldsContract,
    MergingContract,
    MergedMemoriesContract,
    PersonsMemoriesContract,
    ProfileRacesContract,
    ProfileIsolationContract,
    ProfileRefusalsContract,
    ProfileTransactionsContract,
):
    """Every promise of ``ProfileStore``. The memories of merged profiles need a ``memory`` and a ``config`` store beside it."""


__all__ = ["ProfileStoreContract"]
