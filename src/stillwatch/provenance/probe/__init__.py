"""Asking a suspect by a plan that was registered first."""
