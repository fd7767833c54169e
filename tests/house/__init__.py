"""Tests of the structure, the packaging and the docs."""
