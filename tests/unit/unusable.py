"""Stands for an adapter whose driver is installed and does not work."""

raise ImportError("no pq wrapper available")
