"""${message}

Revision ${up_revision}, after ${down_revision or "nothing" | comma,n}. Made ${create_date.date()}.
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
${imports if imports else ""}

revision: str = ${repr(up_revision)}
down_revision: str | Sequence[str] | None = ${repr(down_revision)}
branch_labels: str | Sequence[str] | None = ${repr(branch_labels)}
depends_on: str | Sequence[str] | None = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
