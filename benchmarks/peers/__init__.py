"""The article's loop, Ray Data, Daft and the nightly run on the same photos, side by side."""
