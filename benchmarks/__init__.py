"""Measurements: docmap beside hand-written code for the same engine, and beside other mappers."""
