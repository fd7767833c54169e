"""The help of both command lines."""
