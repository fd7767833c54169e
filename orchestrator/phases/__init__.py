"""The seven phases, one module each; a phase reads typed rows of the run and fails on empty input."""
