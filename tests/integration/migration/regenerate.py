"""Write the first revision anew from the tables: ``python -m tests.integration.migration.regenerate``.

Only for as long as no database is at it that must be kept; afterwards a change of the tables is a revision of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from focal_data.embedded import EmbeddedEngines

REPOSITORY = Path(__file__).parents[3]
COMMAND = (
    sys.executable,
    "-m",
    "alembic",
    "revision",
    "--autogenerate",
    "-m",
    "first schema",
    "--rev-id",
    "0001",
)


def main() -> None:
    (REPOSITORY / "alembic/versions/0001_first_schema.py").unlink(missing_ok=True)
    with EmbeddedEngines.start(redis=False) as engines:
        environment = os.environ | {
            "FOCAL_DATA_MIGRATION_URL": engines.database_url,
            "PYTHONPATH": str(REPOSITORY),
        }
        subprocess.run(COMMAND, cwd=REPOSITORY, env=environment, check=True)


if __name__ == "__main__":
    main()
