"""A model version as files that other tools open: ONNX, weights, card and a page about it."""
