"""Queries as plain data: paths, conditions, lookups and their meaning. No models, no I/O."""
