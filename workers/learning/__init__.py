"""From bars to a trained window: pure functions over arrays."""
