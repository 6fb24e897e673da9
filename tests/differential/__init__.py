"""Random documents and queries: every engine gives what the reference functions give."""
