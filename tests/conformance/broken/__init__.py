"""Adapters broken on purpose, each in one respect, and the sound ones that they derive from."""
