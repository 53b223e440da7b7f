"""The process that the demo kills: it plays a studio session as far as the model's answer that never comes.

``python -m focal_data.cli.demo.ideation_child BACKEND TENANT SESSION``; it prints a line when it waits for that answer.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Final
from uuid import UUID

from focal_data.backends import get_repository_factory
from focal_data.cli.demo.ideation_script import ANSWERED, KILLED_IN, PROJECT, SAID, USER
from focal_data.data_layer import DataLayer
from focal_data.errors import UsageError
from focal_data.providers.llm.exchange import LLMRequest, Reply
from focal_data.providers.llm.fake import FakeLLMProvider
from focal_data.providers.retrying import Call
from focal_data.services.ideation import IdeationService
from focal_data.settings import Settings

WAITS: Final = "waits for the model"
LONGEST: Final = 60.0
"""Seconds until whoever was to be killed gives up waiting for that, so that nothing is left when the demo itself is killed."""


class _Thoughtful(FakeLLMProvider):
    """It answers what it was told to, and thinks about what comes then."""

    async def _complete(self, request: LLMRequest, call: Call) -> Reply:
        if len(self.calls) == KILLED_IN:
            sys.stdout.write(f"{WAITS}\n")
            sys.stdout.flush()
            await asyncio.sleep(LONGEST)
            raise UsageError("nobody has killed this process")
        return await super()._complete(request, call)


async def _played(backend: str, tenant_id: UUID, session_id: str) -> None:
    async with DataLayer.open(Settings.load()) as data:
        stores = get_repository_factory(data, backend).tenant(tenant_id)
        studio = IdeationService(stores, _Thoughtful(*ANSWERED[:KILLED_IN]))
        await studio.start(USER, PROJECT, session_id=session_id)
        for text in SAID[: KILLED_IN + 1]:
            await studio.chat(session_id, text)


if __name__ == "__main__":
    asyncio.run(_played(sys.argv[1], UUID(sys.argv[2]), sys.argv[3]))
