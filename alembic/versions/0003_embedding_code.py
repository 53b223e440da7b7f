"""embedding code

Revision 0003, after 0002. Made 2026-11-21.
"""

# Before you run it on a live system:
# - Read it. What autogenerate takes for a dropped and an added column may be a renamed one.
# - It runs in one transaction, and every ALTER TABLE waits for, and then blocks, whoever uses the table. Keep it short;
#   move rows in batches of their own, not here. A statement waits five seconds for a lock, and then all of it is undone.
# - What takes long is in the revision `…_online`, outside a transaction, and can be run again after it was cut off: indexes,
#   validation, NOT NULL. Two statements between which it must not stop belong here.
# - What has a remark above it could not be written so that it hurts nobody. `focal-data db status` tells the locks.
# - The release before this one still runs while it is applied: drop in a later release what that one uses.
# - Import nothing of this package here. This file must mean the same when the package has moved on.
# - A table has its policy and its grants (op.create_tenant_policy, op.grant_app), or services can't see it, or see too much.

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | Sequence[str] | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("entities", sa.Column("embedding_code", postgresql.BIT(length=1536), nullable=True))
    op.add_column("episodes", sa.Column("embedding_code", postgresql.BIT(length=1536), nullable=True))
    op.add_column("rules", sa.Column("embedding_code", postgresql.BIT(length=1536), nullable=True))
    op.add_column("scenarios", sa.Column("embedding_code", postgresql.BIT(length=1536), nullable=True))
    op.set_storage_parameters(
        "entities",
        {"autovacuum_vacuum_insert_scale_factor": "0.02"},
        existing={"autovacuum_vacuum_insert_scale_factor": None},
    )
    op.set_storage_parameters(
        "episodes",
        {"autovacuum_vacuum_insert_scale_factor": "0.02"},
        existing={"autovacuum_vacuum_insert_scale_factor": None},
    )


def downgrade() -> None:
    op.set_storage_parameters(
        "episodes",
        {"autovacuum_vacuum_insert_scale_factor": None},
        existing={"autovacuum_vacuum_insert_scale_factor": "0.02"},
    )
    op.set_storage_parameters(
        "entities",
        {"autovacuum_vacuum_insert_scale_factor": None},
        existing={"autovacuum_vacuum_insert_scale_factor": "0.02"},
    )
    # What is lost is computed from the embeddings again on the way up.
    op.drop_column("scenarios", "embedding_code")
    op.drop_column("rules", "embedding_code")
    op.drop_column("episodes", "embedding_code")
    op.drop_column("entities", "embedding_code")
