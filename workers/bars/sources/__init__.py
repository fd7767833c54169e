"""Where bars come from; each source is a class that satisfies `workers.bars.raw.Source`."""
