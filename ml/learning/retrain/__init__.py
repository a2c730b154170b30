"""Steps of the retraining run."""
