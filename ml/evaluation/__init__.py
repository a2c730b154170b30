"""How good a version is: measures, calibration and their pictures."""
