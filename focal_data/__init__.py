"""The data layer under multi-tenant conversational agents: PostgreSQL with pgvector, Redis sessions, migrations.

Every name of ``__all__`` is loaded when it is first used: importing the package loads no driver.
"""

from __future__ import annotations

__all__: list[str] = []
