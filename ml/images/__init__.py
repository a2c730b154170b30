"""From stored bytes to model input: decoding, preprocessing and fingerprints of photos."""
