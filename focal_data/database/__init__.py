"""How PostgreSQL is reached: connections, the one place that begins and commits, tenancy, and errors made ours."""
