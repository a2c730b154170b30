"""Alert rules, texts and delivery."""
