"""What every store of live sessions promises, as tests.

    class TestMySessions(SessionStoreContract):
        @pytest.fixture
        def tenants(self, clock): return MyData(clock=clock).tenant
        @pytest.fixture
        def maintenance(self, ...): …

Both are to look at the same sessions, and to go by ``clock``, which the suite moves.
"""

from __future__ import annotations

from focal_data.testing.contracts.session.ageing import AgeingContract, MaintenanceContract
from focal_data.testing.contracts.session.base import MovedClock
from focal_data.testing.contracts.session.finding import FindingContract, StepsContract, TiersContract
from focal_data.testing.contracts.session.writing import SavingContract, SessionRefusalsContract

__all__ = ["MovedClock", "SessionStoreContract"]


class SessionStoreContract(
    SavingContract,
    SessionRefusalsContract,
    FindingContract,
    StepsContract,
    TiersContract,
    AgeingContract,
    MaintenanceContract,
):
    """The whole of ``SessionStore`` and ``SessionMaintenance``."""
