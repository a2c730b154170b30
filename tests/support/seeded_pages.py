"""The pages of a shop with predictable nightly runs."""

import yaml

from tests.support.pages import Pages
from tests.support.policies import write_policy
from tests.support.servers import delete_photos


def reset_pages(pages: Pages) -> Pages:
    """Delete the photos of earlier tests; disable screens and spot check."""
    settings = pages.shop.settings
    delete_photos(pages.shop)
    policy = yaml.safe_load(settings.policy_file.read_text(encoding="utf-8"))
    write_policy(settings.policy_file.parent, policy, screens={}, spot_check={})
    return pages
