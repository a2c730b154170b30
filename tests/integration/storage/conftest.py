from tests.integration.review.conftest import room

__all__ = ["room"]
