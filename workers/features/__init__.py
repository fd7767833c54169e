"""Causal features and the registry that names them."""
