"""The promises kept in dictionaries: the reference for what the stores' docstrings say, and what fast tests run on."""
