"""What Alembic needs from us: its environment, what autogenerate must see besides, and a safe way to run revisions.

``environment`` is all of ``env.py``; ``autogenerate`` compares and plans, ``operations`` does, ``rendering`` writes;
``runner`` upgrades and tells where a database stands.
"""
