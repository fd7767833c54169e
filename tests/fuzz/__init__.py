"""Mutated files for every parser of files that people have written."""
