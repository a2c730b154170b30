"""The monthly loop: freeze, check, train, calibrate, evaluate, gate, promote, roll back."""
