"""From stored predictions to a verdict."""
