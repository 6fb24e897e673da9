"""The tests of docmap, one folder for each part of it."""
