"""The contract between the planes: what orchestrator and workers share, and nothing else."""
