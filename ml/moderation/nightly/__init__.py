"""Steps of the nightly audit."""
