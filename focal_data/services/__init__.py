"""What is built on the stores: work that spans several calls of theirs, and calls of others in between."""
