"""stillwatch finds, proves and stops large-scale, unauthorised distillation of a model through its own API."""

__version__ = "0.1.0"
