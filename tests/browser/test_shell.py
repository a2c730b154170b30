"""The layout shared by all pages, inside Airflow and standalone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.support.pages import Pages

pytestmark = [pytest.mark.integration, pytest.mark.airflow, pytest.mark.browser]
LogIn = Callable[..., BrowserContext]


def test_language_switch_changes_the_page_and_is_saved(pages: Pages, logged_in: LogIn) -> None:
    page = logged_in("reviewer").new_page()
    page.goto(f"{pages.url}/help")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
    page.click("#language")
    expect(page.get_by_role("heading", level=1)).to_have_text("我的账户")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("我的账户")


def test_chinese_browser_gets_the_chinese_page(pages: Pages, logged_in: LogIn) -> None:
    page = logged_in("viewer", locale="zh-CN").new_page()
    page.goto(f"{pages.url}/help")
    expect(page.get_by_role("heading", level=1)).to_have_text("我的账户")
