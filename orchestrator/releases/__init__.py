"""From a recommendation to what is live: a person's word, the release made of it, the switch, and the log of all."""
