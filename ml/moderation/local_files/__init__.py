"""Score files of this machine as a nightly run would score uploads."""
