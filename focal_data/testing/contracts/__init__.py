"""What every store promises, as tests: one suite per store, which certifies any implementation.

    class TestMyConfig(ConfigStoreContract):
        @pytest.fixture
        def tenants(self, my_data): return my_data.tenant

``tenants`` is all that a suite asks for: called with a tenant's id, it gives that tenant's stores.
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    *(
        f"{__name__}.{module}"
        for module in ("audit", "base", "config", "memory", "profile", "repository", "session")
    )
)
