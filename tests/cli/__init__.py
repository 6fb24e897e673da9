"""Tests of the command line, as a shell would call it."""
