"""Bar sources: the protocol, the registry and the sample."""
