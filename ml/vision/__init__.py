"""Pixels: decoding, preprocessing, fingerprints and screens; no database and no model."""
