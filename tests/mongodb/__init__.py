"""SQLite: its plans, its traps, other programs, faults, indexes."""
