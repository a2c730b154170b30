"""From photo bytes to class scores, in batches."""
