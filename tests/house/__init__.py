"""Tests of how the house is built: who imports whom, sizes, types, the public names, the pages."""
