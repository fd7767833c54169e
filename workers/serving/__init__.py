"""Predicts with deployed students. Needs only numpy and pyarrow, unless a student is a booster."""
