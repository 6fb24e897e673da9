"""Tests of documents: what a class declares, what an instance knows of its record."""
