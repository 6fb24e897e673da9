"""Tests of the MongoDB adapter."""
