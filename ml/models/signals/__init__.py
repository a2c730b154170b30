"""Signals: models of others (ONNX) with their cards, and what they find on a photo."""
