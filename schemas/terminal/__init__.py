"""The help of both command lines, and how their programs begin."""
