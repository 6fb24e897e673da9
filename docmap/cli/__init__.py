"""The command line: `docmap import`, `find`, `export` and the others, over public names only."""
