"""An existing ideation deployment, as it keeps its data on Redis: written here by hand, and not by the code under test."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

Json = dict[str, Any]
EARLY = "2026-01-31T10:00:00.123456+00:00"
LATE = "2026-02-01T23:59:59+02:00"


@dataclass
class OldSession:
    """One session with everything that hangs on it; what is changed in here is what is put."""

    id: str
    user: str = "ada"
    message_count: int = 3
    session: Json = field(init=False)
    messages: list[Json] = field(init=False)
    requirements: list[Json] = field(init=False)
    maturity: Json | None = field(init=False)
    prd: Json | None = field(init=False)
    stories: list[Json] = field(init=False)

    def __post_init__(self) -> None:
        part = {"session_id": self.id}
        self.session = {
            "id": self.id,
            "project_name": "Dog wash 🦊",
            "user_id": self.user,
            "status": "in_build",
            "data_source": "configured",
            "version": 7,
            "created_at": EARLY,
            "updated_at": LATE,
        }
        self.messages = [
            {
                "id": f"{self.id}-m{number}",
                **part,
                "role": ("user", "assistant", "system")[number % 3],
                "content": f"message {number}\n\u2028 «»" if number % 2 else "",
                "timestamp": EARLY,
                "maturity_delta": number / 7 % 90,
                "metadata": {"tokens": [number, 1.5, None, {"ü": True}], "": "y"} if number % 2 else None,
            }
            for number in range(self.message_count)
        ]
        self.requirements = [
            {
                "id": f"{self.id}-r{number}",
                **part,
                "description": "Washes 🐕",
                "type": "non_functional",
                "priority": "could_have",
                "category_id": "scope" if number else None,
                "created_at": (LATE, EARLY)[number],
            }
            for number in range(2)
        ]
        self.maturity = {
            **part,
            "score": 41.7,
            "level": "defined",
            "categories": [
                {"id": "scope", "name": "Scope", "score": 100, "required_for_submit": True},
                {"id": "b", "name": "Ü", "score": 0.1, "required_for_submit": False},
            ],
            "can_submit": False,
            "gaps": ["Who pays?", ""],
            "updated_at": LATE,
        }
        self.prd = {
            "id": f"{self.id}-d",
            **part,
            "title": "Dog wash",
            "version": "0.2.0",
            "sections": [
                {"id": "s2", "heading": "Users", "content": "", "order": 2},
                {"id": "s1", "heading": "Goals", "content": "Wash.\n", "order": 1},
            ],
            "status": "review",
            "created_at": EARLY,
        }
        self.stories = [
            {
                "id": f"{self.id}-s{number}",
                **part,
                "title": f"Wash {number}",
                "as_a": "dog",
                "i_want": "to be clean",
                "so_that": "I smell",
                "acceptance_criteria": ["It is clean", ""],
                "linked_requirements": [f"{self.id}-r0"],
                "priority": "must_have",
                "created_at": EARLY,
            }
            for number in (1, 0)
        ]

    async def put(self, redis: Redis) -> OldSession:
        """Write it, each key as it is described."""
        await redis.set(f"ideation:session:{self.id}", json.dumps(self.session))
        await redis.sadd(f"ideation:user_sessions:{self.user}", self.id)
        if self.messages:
            await redis.rpush(f"ideation:messages:{self.id}", *map(json.dumps, self.messages))
        for wish in self.requirements:
            await redis.hset(f"ideation:requirements:{self.id}", wish["id"], json.dumps(wish))
        if self.maturity is not None:
            await redis.set(f"ideation:maturity:{self.id}", json.dumps(self.maturity))
        if self.prd is not None:
            await redis.set(f"ideation:prd:{self.id}", json.dumps(self.prd))
        if self.stories:
            await redis.rpush(f"ideation:stories:{self.id}", *map(json.dumps, self.stories))
        return self


async def everything(redis: Redis) -> dict[str, Any]:
    """Every key of such a deployment with what it holds, JSON parsed."""
    found: dict[str, Any] = {}
    for name in sorted(await redis.keys("ideation:*")):
        match await redis.type(name):
            case b"string":
                found[name.decode()] = json.loads(await redis.get(name))
            case b"list":
                found[name.decode()] = [json.loads(item) for item in await redis.lrange(name, 0, -1)]
            case b"hash":
                items = await redis.hgetall(name)
                found[name.decode()] = {key.decode(): json.loads(items[key]) for key in sorted(items)}
            case b"set":
                found[name.decode()] = sorted(await redis.smembers(name))
    return found
