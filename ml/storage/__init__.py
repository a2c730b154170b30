"""The commerce database, our own schema `moderation`, and the object storage."""
