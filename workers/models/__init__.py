"""Model types: fit, predict, encode, decode."""
