"""What we talk about: immutable Pydantic models, with no I/O."""
