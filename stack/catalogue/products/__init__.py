"""The things that buyers photograph, each drawn as a lit sprite."""
