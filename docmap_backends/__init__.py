"""The adapters that docmap ships, one module an engine, found by entry point."""
