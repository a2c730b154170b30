"""Tools that develop and demonstrate the product; nothing in the product imports them."""
