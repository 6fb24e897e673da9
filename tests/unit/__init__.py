"""Tests of one module each, without an engine."""
