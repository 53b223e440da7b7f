"""The command line: a file or a package per group of commands."""
