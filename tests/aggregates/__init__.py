"""Aggregates and groups."""
