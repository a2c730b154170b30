"""Starts, fills and shows the whole system on one machine."""
