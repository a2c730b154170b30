"""Throughput and memory, measured with real servers on the machine at hand."""
