"""The seven phases, in order; each starts from typed rows of the run and fails on empty input."""
