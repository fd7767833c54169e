"""Which device gets which attempt, and when an attempt is recalled, killed or failed."""
