"""The shape on disk: SQLModel tables only. Every key starts with the tenant.

Importing any of them loads them all: foreign keys are names, and resolve only when the tables they name are there.
"""

from focal_data.tables import audit, config, ideation, memory, profile, reembedding
from focal_data.tables.base import metadata

__all__ = ["audit", "config", "ideation", "memory", "metadata", "profile", "reembedding"]
