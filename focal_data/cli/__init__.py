"""The command line: a file or a package per group of commands."""

from __future__ import annotations

from typing import Final

INTERRUPTED: Final = 130
"""The exit code of a command that was broken off, as shells have it."""
