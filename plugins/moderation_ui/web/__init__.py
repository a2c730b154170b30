"""What all pages share: access, errors, photos, resources."""
