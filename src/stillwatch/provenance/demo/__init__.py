"""A demonstration on tiny models: a teacher with a keyed mark, students of it, and controls, on a CPU."""
