"""Was this model made from ours? Keyed canaries, served answers against twins, passive attribution, and a verdict."""
