"""What each store promises: abstract methods, whose docstrings are the contract."""
