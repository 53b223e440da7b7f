"""The suite of the repository kit: what every repository does without a line more, tried on notes.

class TestMyRepository(RepositoryContract):
    @pytest.fixture
    def tenants(self, my_data): return my_data.tenant
    @pytest.fixture
    def repository(self): return MyNoteRepository
"""

from __future__ import annotations

from focal_data.testing.contracts.repository.asking import AskingContract
from focal_data.testing.contracts.repository.batches import BatchesContract
from focal_data.testing.contracts.repository.keeping import KeepingContract
from focal_data.testing.contracts.repository.listing import ListingContract

__all__ = ["RepositoryContract"]


class RepositoryContract(KeepingContract, BatchesContract, ListingContract, AskingContract):
    """All of it. Needs ``.transaction()`` of a tenant, and a repository of ``contracts.notes.Note``."""
