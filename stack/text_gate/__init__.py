"""How the text gate of the screens is trained: on words that are drawn over photos of goods."""
