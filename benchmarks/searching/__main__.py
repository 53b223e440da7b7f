"""``python -m benchmarks.searching`` is ``python -m benchmarks search`` without the packages of the other benchmarks."""

from __future__ import annotations

import sys

from benchmarks.searching.command import main

if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
