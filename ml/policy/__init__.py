"""What follows from a score: the policy file and the pure verdict function."""
