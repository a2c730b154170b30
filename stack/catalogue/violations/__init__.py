"""What a shop does not want on its pages, one file a category."""
