"""Lua scripts of the project, one file each; a comment at its top names KEYS and ARGV with their types."""
