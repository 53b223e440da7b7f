"""embedding code online

Revision 0003_online, after 0003. Made 2026-11-21.
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
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from alembic import op

# The one thing of this package that is used here: it may not change, since codes are compared with those that are stored.
from focal_data.domain.signs import sign_codes


revision: str = "0003_online"
down_revision: str | Sequence[str] | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


TABLES = ("episodes", "entities", "rules", "scenarios")
BATCH = 500
NIL = UUID(int=0)

WITHOUT_CODE = "num_nonnulls(embedding, embedding_model, embedding_dimensions) IN (0, 3)"
WITH_CODE = "num_nonnulls(embedding, embedding_code, embedding_model, embedding_dimensions) IN (0, 4)"
REST = "embedding_model <> '' AND embedding_dimensions BETWEEN 1 AND 1536"


def upgrade() -> None:
    # From the new CHECK on, the release before this one can't write embeddings any more: it does not know their codes.
    with op.get_context().autocommit_block():
        for table in TABLES:
            _fill(table)  # while embeddings may still come without a code
            _replace_check(table, WITH_CODE)
            _fill(table)  # those that came meanwhile
            op.validate_constraint(table, f"ck_{table}_whole_embedding")
        op.execute("SET lock_timeout = 0")
        op.drop_index(
            op.f("ix_entities_embedding_model"),
            table_name="entities",
            postgresql_concurrently=True,
            if_exists=True,
        )
        op.create_index(
            op.f("ix_entities_embedding_model"),
            "entities",
            ["tenant_id", "embedding_model", "agent_id"],
            unique=False,
            postgresql_include=[
                "id",
                "embedding_code",
                "customer_profile_id",
                "entity_type",
                "valid_from",
                "valid_to",
            ],
            postgresql_where=sa.text("embedding_model IS NOT NULL"),
            postgresql_concurrently=True,
        )
        op.drop_index(
            op.f("ix_episodes_embedding_model"),
            table_name="episodes",
            postgresql_concurrently=True,
            if_exists=True,
        )
        op.create_index(
            op.f("ix_episodes_embedding_model"),
            "episodes",
            ["tenant_id", "embedding_model", "agent_id"],
            unique=False,
            postgresql_include=[
                "id",
                "embedding_code",
                "customer_profile_id",
                "group_id",
                "session_id",
                "content_type",
                "source",
                "language",
                "occurred_at",
                "valid_from",
                "valid_to",
                "importance",
            ],
            postgresql_where=sa.text("embedding_model IS NOT NULL"),
            postgresql_concurrently=True,
        )
        op.execute("RESET lock_timeout")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        op.drop_index(
            op.f("ix_episodes_embedding_model"),
            table_name="episodes",
            postgresql_concurrently=True,
            if_exists=True,
        )
        op.drop_index(
            op.f("ix_entities_embedding_model"),
            table_name="entities",
            postgresql_concurrently=True,
            if_exists=True,
        )
        op.execute("RESET lock_timeout")
        for table in reversed(TABLES):
            _replace_check(table, WITHOUT_CODE)
            op.validate_constraint(table, f"ck_{table}_whole_embedding")


def _replace_check(table: str, whole: str) -> None:
    name = f"ck_{table}_whole_embedding"
    op.execute(
        f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name},"
        f" ADD CONSTRAINT {name} CHECK ({whole} AND {REST}) NOT VALID"
    )


def _fill(table: str) -> None:
    """Give every embedding its code, in batches that are committed one by one."""
    if op.get_context().as_sql:
        op.get_context().impl.static_output(
            f"-- In batches: UPDATE {table} SET embedding_code = … where there is an embedding\n"
        )
        op.execute(
            f"DO $$ BEGIN IF EXISTS (SELECT FROM {table} WHERE embedding IS NOT NULL AND embedding_code IS NULL) THEN"
            f" RAISE '{table}: embeddings need codes, which SQL can not compute: run this revision with focal-data db upgrade';"
            f" END IF; END $$"
        )
        return
    read = sa.text(
        f"SELECT tenant_id, id, halfvec_send(embedding) AS embedding FROM {table}"
        f" WHERE embedding IS NOT NULL AND embedding_code IS NULL AND (tenant_id, id) > (:tenant_id, :id)"
        f" ORDER BY tenant_id, id LIMIT {BATCH}"
    )
    write = sa.text(
        f"UPDATE {table} SET embedding_code = filled.code::bit(1536)"
        " FROM unnest(CAST(:tenant_ids AS uuid[]), CAST(:ids AS uuid[]), CAST(:embeddings AS bytea[]), CAST(:codes AS text[]))"
        " filled (tenant_id, id, embedding, code)"
        f" WHERE {table}.tenant_id = filled.tenant_id AND {table}.id = filled.id"
        f" AND halfvec_send({table}.embedding) = filled.embedding"
    )
    last = {"tenant_id": NIL, "id": NIL}
    while rows := op.get_bind().execute(read, last).all():
        tenant_ids, ids, embeddings = ([row[place] for row in rows] for place in range(3))
        values = {"tenant_ids": tenant_ids, "ids": ids, "embeddings": embeddings, "codes": _codes(embeddings)}
        op.get_bind().execute(write, values)
        last = {"tenant_id": rows[-1].tenant_id, "id": rows[-1].id}


def _codes(embeddings: Sequence[bytes]) -> list[str]:
    """As PostgreSQL writes them. In front of a vector's components are its dimensions and two bytes that are zero."""
    components = np.stack([np.frombuffer(embedding, dtype=">f2", offset=4) for embedding in embeddings])
    return ["".join(map(str, np.unpackbits(code))) for code in sign_codes(components)]
