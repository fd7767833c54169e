"""The orchestrator's side of the store: what a run offers its workers there, and what it takes from them."""
