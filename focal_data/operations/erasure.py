"""A person removed everywhere, and what is known of one handed out.

The order is what makes it repeatable: nothing is removed by which something else is found. Audit rows come first, and keep
their skeleton; then what came up in the person's sessions and names nobody; then the live sessions; then what names the
person; and last, when nothing is left, the profile. Whoever is interrupted begins again and finds the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID

from pydantic_core import to_jsonable_python

from focal_data.database.scope import Transaction
from focal_data.domain.base import JsonObject, UtcDatetime, ValueObject
from focal_data.domain.profile import CustomerProfile
from focal_data.errors import ConflictError, InUseError, NotFoundError, StoreError
from focal_data.ids import TenantId
from focal_data.operations.ground import LIVE, ROUNDS, ErasureReceipt, Ground
from focal_data.operations.person import Person, find
from focal_data.repositories import erasure as sql
from focal_data.repositories.customers import CustomerProfileRepository


class CustomerExport(ValueObject):
    """Everything that is kept of one person, as JSON: rows by their table, and ``sessions`` on Redis.

    It is what an erasure would remove now. Embeddings, and columns that only speed up a search, are left out.
    """

    tenant_id: TenantId
    profile_ids: tuple[UUID, ...]
    """The profile with everything that was merged into it, by id."""
    exported_at: UtcDatetime
    records: dict[str, list[JsonObject]]
    """By table, kinds that there are none of left out; the rows of each in the order of their ids."""

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of each kind, as the erasure's dry run tells."""
        return {kind: len(records) for kind, records in self.records.items()}


async def erase_customer(ground: Ground, profile_id: UUID, *, dry_run: bool = False) -> ErasureReceipt:
    """See ``TenantOperations.erase_customer``."""
    started = ground.scope.now()
    if dry_run:
        person, counts = await _counted(ground, profile_id)
    else:
        person, counts = await _erased(ground, profile_id)
    if not person.stored and not +counts:
        raise NotFoundError(CustomerProfile.__name__)
    return ground.receipt(counts, started, dry_run=dry_run, profile_ids=sorted(person.profiles))


async def export_customer(ground: Ground, profile_id: UUID) -> CustomerExport:
    """See ``TenantOperations.export_customer``."""
    person = await find(ground, profile_id)
    records: dict[str, list[JsonObject]] = {}

    async def work(tx: Transaction) -> None:
        records.clear()
        for part in (sql.profiles(), *person.parts(ground.tables)):
            rows = await tx.fetch(sql.rows_of(part), ground.bound(person.values))
            records.setdefault(part.table.name, []).extend(to_jsonable_python(dict(row)) for row in rows)

    await ground.scope.run(work, custom_plan=True)
    for rows in records.values():  # of several parts
        rows.sort(key=lambda row: str(row["id"]) if "id" in row else "")
    records[LIVE] = [session.model_dump(mode="json", exclude={"tenant_id"}) for session in person.live]
    found = {kind: records[kind] for kind in sorted(records) if records[kind]}
    if not found:
        raise NotFoundError(CustomerProfile.__name__)
    return CustomerExport(
        tenant_id=ground.scope.tenant_id,
        profile_ids=tuple(sorted(person.profiles)),
        exported_at=ground.scope.now(),
        records=found,
    )


async def _counted(ground: Ground, profile_id: UUID) -> tuple[Person, Counter[str]]:
    person = await find(ground, profile_id)
    counts = await ground.counted((sql.profiles(), *person.parts(ground.tables)), person.values)
    counts[LIVE] = len(person.live)
    return person, counts


async def _erased(ground: Ground, profile_id: UUID) -> tuple[Person, Counter[str]]:
    """Again until nothing is left, since others may write meanwhile."""
    counts: Counter[str] = Counter()
    person = None
    failure: StoreError = ConflictError(
        "what belongs to this person is still being written: repeat the erasure"
    )
    for _ in range(ROUNDS):
        person = await find(ground, profile_id, person)
        try:
            async for kind, count in _steps(ground, person):
                counts[kind] += count
            left, profiles = await ground.scope.run(lambda tx: _finish(ground, person, tx))  # noqa: B023
        except InUseError as error:  # something new refers to what was to go
            failure = error
            continue
        counts[sql.PROFILES.name] += profiles
        if not left:
            return person, counts
    raise failure


async def _steps(ground: Ground, person: Person) -> AsyncIterator[tuple[str, int]]:
    """Each removes one kind of thing, and could be the last one that was done."""
    values = person.values | {"now": ground.scope.now()}
    for part in sql.audit_parts(ground.tables):
        yield part.table.name, await ground.emptied(sql.blanking_of(part), values)
    for part in sql.anonymous_parts(ground.tables):
        yield part.table.name, await ground.emptied(sql.removal_of(part), values)
    await ground.live.remove(session.session_id for session in person.live)
    await ground.live.repair(person.terms())
    yield LIVE, len(person.live)
    for part in sql.named_parts(ground.tables):
        yield part.table.name, await ground.emptied(sql.removal_of(part), values)


async def _finish(ground: Ground, person: Person, tx: Transaction) -> tuple[bool, int]:
    """Whether anything is left, and otherwise how many profiles were removed. Nobody can add to them meanwhile."""
    profiles = CustomerProfileRepository(tx)
    roots = {profile.id for profile in (await profiles.locked(person.profiles, alone=True)).values()}
    family = {id_ for root in roots for id_ in (root, *await profiles.merged_ids(root))}
    if family - person.profiles or await ground.counted(person.parts(ground.tables), person.values, tx):
        return True, 0
    for root in roots:
        await profiles.delete(root)
    return False, len(family)
