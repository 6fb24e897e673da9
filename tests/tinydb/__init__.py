"""What is peculiar to TinyDB: its file, the journal, other programs, TinyDB's own object."""
