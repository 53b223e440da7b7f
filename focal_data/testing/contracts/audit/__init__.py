"""What the store of what happened promises, as tests."""

from __future__ import annotations

from focal_data.testing.contracts.audit.events import EventsContract
from focal_data.testing.contracts.audit.immutability import ImmutabilityContract
from focal_data.testing.contracts.audit.pages import TurnPagesContract
from focal_data.testing.contracts.audit.refusals import AuditRefusalsContract
from focal_data.testing.contracts.audit.turns import TurnsContract


class AuditStoreContract(
    TurnsContract, TurnPagesContract, EventsContract, ImmutabilityContract, AuditRefusalsContract
):
    """Every promise of ``AuditStore``."""


__all__ = ["AuditStoreContract"]
