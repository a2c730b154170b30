"""Metrics, thresholds, calibration, gates and plots."""
