"""Tests of docmap.aio: the storage that is awaited."""
