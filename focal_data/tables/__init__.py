"""The shape on disk: SQLModel tables only. Every key starts with the tenant."""
