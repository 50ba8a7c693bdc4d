"""The words that all rooms share: tables, stages, signals, windows, campaigns."""
