"""The pages over a shop whose nights can be counted on."""

import yaml

from tests.support.pages import Pages
from tests.support.policies import write_policy


def empty(pages: Pages) -> Pages:
    """No photo of an earlier test is listed; screens and random audit are off."""
    settings, store = pages.shop.settings, pages.shop.connections.photos
    for listed in list(store.list_pages(settings.photo_prefix)):
        for photo in listed:
            store.delete(photo.key)
    policy = yaml.safe_load(settings.policy_file.read_text(encoding="utf-8"))
    write_policy(settings.policy_file.parent, policy, screens={}, random_audit={})
    return pages
