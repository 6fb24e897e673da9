"""PostgreSQL: its store, its plans, its faults."""
