"""The policy file, and the pure function that turns scores into a verdict."""
