"""The audit store in PostgreSQL: the database itself keeps what happened as it was."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from focal_data.data_layer import Tenant
from focal_data.database.statement import Statement
from focal_data.errors import AccessError


@pytest.mark.parametrize("table", ["turn_records", "audit_events", "scenario_archives"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET tenant_id = tenant_id",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "SELECT id FROM {} FOR UPDATE",
        "INSERT INTO {0} SELECT * FROM {0} ON CONFLICT (tenant_id, id) DO UPDATE SET id = excluded.id",
        "MERGE INTO {0} USING (SELECT 1) one ON true WHEN MATCHED THEN DELETE",
    ],
)
async def test_the_application_can_not_change_what_happened(
    tenant: Tenant, statement: str, table: str
) -> None:
    """Whatever the statement, the database refuses it."""
    with pytest.raises(AccessError):
        await tenant.scope.execute(Statement(text(statement.format(table))), {})
