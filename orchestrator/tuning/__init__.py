"""Search of settings: studies, whose trials are runs on earlier days, on the fleet of one run."""
