"""Speed, measured: each work side by side with the same by hand, and with a public peer. ``python -m benchmarks``."""
