"""Rendering primitives of the sample catalogue."""
