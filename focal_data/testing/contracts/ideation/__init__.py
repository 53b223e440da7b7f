"""What the stores of the ideation studio promise, as tests."""

from __future__ import annotations

from focal_data.testing.contracts.ideation.cascade import CascadeContract
from focal_data.testing.contracts.ideation.clock import IdeationClockContract
from focal_data.testing.contracts.ideation.isolation import IdeationIsolationContract
from focal_data.testing.contracts.ideation.maturity import MaturityContract
from focal_data.testing.contracts.ideation.messages import MessagesContract
from focal_data.testing.contracts.ideation.prd import DraftsContract, StoriesContract
from focal_data.testing.contracts.ideation.races import IdeationRacesContract
from focal_data.testing.contracts.ideation.refusals import IdeationRefusalsContract
from focal_data.testing.contracts.ideation.requirements import RequirementsContract
from focal_data.testing.contracts.ideation.sessions import SessionsContract
from focal_data.testing.contracts.ideation.transactions import IdeationTransactionsContract


class IdeationStoreContract(
    SessionsContract,
    MessagesContract,
    RequirementsContract,
    MaturityContract,
    DraftsContract,
    StoriesContract,
    CascadeContract,
    IdeationTransactionsContract,
    IdeationRacesContract,
    IdeationIsolationContract,
    IdeationRefusalsContract,
):
    """Every promise of the five stores and of ``IdeationTenant``."""


__all__ = ["IdeationClockContract", "IdeationStoreContract"]
