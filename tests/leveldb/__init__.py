"""Tests of LevelDB alone: what its adapter adds to the library, and what it guards against."""
