"""Engines over an ordered byte store, without any driver."""
