"""A sample catalogue of buyers' review photos, drawn by our own code from a seed."""
