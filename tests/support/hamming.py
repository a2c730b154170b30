"""Hamming distance of PDQ hashes, as a reference for the indexes."""


def hamming(a: str, b: str) -> int:
    """Number of bits in which two hashes (hex) differ."""
    return (int(a, 16) ^ int(b, 16)).bit_count()
