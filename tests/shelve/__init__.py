"""Tests of the shelve engine."""
