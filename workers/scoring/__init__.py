"""Scores of predictions: log loss, AUC, Brier, skill."""
