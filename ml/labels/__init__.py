"""Human labels: taking them in, keeping their photos, telling what is true."""
