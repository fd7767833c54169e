"""Approves runs, builds releases from them, switches environments to a release, and logs each of these decisions."""
