"""Decoding, preprocessing and fingerprints of photos."""
