"""Tests of the storage face: what every storage does, whatever its engine."""
