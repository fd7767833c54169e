"""Charts of an audit bundle."""
