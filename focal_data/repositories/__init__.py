"""The promises kept in PostgreSQL, and the only place that builds statements: one repository per table, and the stores."""
