"""Rows made into domain objects and back: pure functions, one pair per entity."""
