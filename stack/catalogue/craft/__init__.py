"""Drawing tools: noise, curves, light, letters and the scene a product stands in."""
