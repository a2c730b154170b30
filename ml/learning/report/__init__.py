"""The report of a retraining run."""
