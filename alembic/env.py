"""What Alembic runs for every command. All of it is in ``focal_data.migration.environment``."""

from focal_data.migration.environment import run

run()
