"""Write the newest revision anew from the tables: ``python -m tests.integration.migration.regenerate``.

Only for as long as no database is at it that must be kept; afterwards a change of the tables is a revision of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from focal_data.embedded import EmbeddedEngines

REPOSITORY = Path(__file__).parents[3]
NEWEST: Final = ("0002", "audit chain")


def main() -> None:
    number, title = NEWEST
    for file in (REPOSITORY / "alembic/versions").glob(f"{number}_*.py"):
        file.unlink()
    with EmbeddedEngines.start(redis=False) as engines:
        environment = os.environ | {
            "FOCAL_DATA_MIGRATION_URL": engines.database_url,
            "PYTHONPATH": str(REPOSITORY),
        }
        for arguments in (
            ("upgrade", "head"),
            ("revision", "--autogenerate", "-m", title, "--rev-id", number),
        ):
            command = (sys.executable, "-m", "alembic", *arguments)
            subprocess.run(command, cwd=REPOSITORY, env=environment, check=True)


if __name__ == "__main__":
    main()
