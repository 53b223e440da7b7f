"""The benchmark of search: ours beside what one writes by hand and beside public peers; ``python -m benchmarks search``."""
