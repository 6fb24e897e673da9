"""Tests of what docmap gives to the tests of its users."""
