"""What every table shares: the metadata, the names of constraints, the tenant first in every key, and the mixins.

A table of one's own is ``class NoteTable(TenantTable, table=True)``: scope, policy, grants and migration follow from that.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import MetaData, SmallInteger, Table, event
from sqlalchemy.orm import Mapper, declared_attr
from sqlmodel import Field, SQLModel

from focal_data.tables.columns import HalfVector, SignCode, utc

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_1_name)s",
        "uq": "uq_%(table_name)s_%(column_1_name)s",
        "ix": "ix_%(table_name)s_%(column_1_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)
"""Of every focal_data table. Names take the second column, since the first is the tenant; all are ≤ 54 characters."""


def package_tables() -> frozenset[str]:
    """The names of the tables that this package declares; a user's lie in the same metadata."""
    classes = list(TenantScopedTable.__subclasses__())
    for known in classes:
        classes += known.__subclasses__()  # those found on the way are visited too
    ours = (cls for cls in classes if cls.__module__.startswith("focal_data.") and hasattr(cls, "__table__"))
    return frozenset(str(cls.__tablename__) for cls in ours)


APPEND_ONLY = {"info": {"grants": ("SELECT", "INSERT")}}
"""Table arguments: the application may add rows and read them, never change or remove one."""

NEVER_CHANGED = {"info": {"grants": ("SELECT", "INSERT", "DELETE")}}
"""Table arguments: the application may add rows, read and remove them, never change one."""


class TenantScopedTable(SQLModel):
    """A table whose rows belong to one tenant; a subclass adds the rest of its primary key."""

    metadata = metadata

    tenant_id: UUID = Field(primary_key=True)

    @declared_attr.directive
    def __tablename__(cls) -> str:  # noqa: N805
        """``NoteTable`` → ``note``; tables that are read aloud in the plural name themselves."""
        name = cls.__name__.removesuffix("Table")
        return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


@event.listens_for(TenantScopedTable, "instrument_class", propagate=True)
def _name_entity(mapper: Mapper[Any], table: type[TenantScopedTable]) -> None:
    """Errors speak of the entity in a table, ``NoteTable`` of a Note; a repository that calls it otherwise is heard later."""
    kept = mapper.local_table
    assert isinstance(kept, Table)
    kept.info = {"entity": table.__name__.removesuffix("Table"), **kept.info}


class TenantTable(TenantScopedTable):
    """A table with the primary key ``(tenant_id, id)``."""

    id: UUID = Field(primary_key=True)


class RevisionMixin(SQLModel):
    """The optimistic lock: 1 when inserted, one more with each change. The ORM raises ``StaleDataError`` on a stale one."""

    revision: int = Field(default=1)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805
        return {"version_id_col": cls.__table__.c.revision}  # type: ignore[attr-defined]


class TimestampMixin(SQLModel):
    """When the row was made and last changed, by the store's clock."""

    created_at: datetime = Field(sa_type=utc())
    updated_at: datetime = Field(sa_type=utc())


class SoftDeleteMixin(SQLModel):
    """Marked as deleted since ``deleted_at``; ``NULL`` while it is alive."""

    deleted_at: datetime | None = Field(default=None, sa_type=utc())


class MutableTable(TimestampMixin, RevisionMixin, TenantTable):
    """A tenant's rows that change: lock and times."""


class SoftDeletableTable(SoftDeleteMixin, MutableTable):
    """A tenant's rows that change, and are marked rather than removed."""


class EmbeddingColumns(SQLModel):
    """A vector padded with zeros to the column's width, the model that made it and its own length."""

    embedding: Any | None = Field(default=None, sa_type=HalfVector)
    embedding_model: str | None = Field(default=None, max_length=255)
    embedding_dimensions: int | None = Field(default=None, sa_type=SmallInteger)


class EmbeddingMixin(EmbeddingColumns):
    """An embedding that is searched for: with its sign code. See ``index_codes`` and ``whole_embedding``."""

    embedding_code: Any | None = Field(default=None, sa_type=SignCode)


class WriteOnceEmbeddingMixin(EmbeddingMixin):
    """An embedding of rows that hardly ever change: kept in the row, where an exact scan reads it 3 to 6 times faster.

    The table needs ``KEPT_IN_ROW`` as well, or its other columns are moved out to make room.
    """

    embedding: Any | None = Field(
        default=None, sa_type=HalfVector, sa_column_kwargs={"info": {"storage": "PLAIN"}}
    )


SEEN_SOON = {"autovacuum_vacuum_insert_scale_factor": 0.02}
"""Storage parameters: a table is vacuumed when a fiftieth of it is new; until then, new rows' codes are read from the table."""

KEPT_IN_ROW = {"info": {"storage_parameters": {"toast_tuple_target": 8160, **SEEN_SOON}}}
"""Table arguments: rows of up to a page stay in one piece. 8160 bytes is the most that PostgreSQL takes."""
