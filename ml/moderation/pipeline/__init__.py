"""Fetch, preprocess and score photos as a stream."""
