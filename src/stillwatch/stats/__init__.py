"""Statistics without tables: conformal ranks, intervals, multiple testing. Arrays in, arrays out."""
