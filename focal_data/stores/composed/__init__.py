"""Promises kept by composing repositories, the same way whatever keeps the data."""
