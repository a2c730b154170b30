"""Fixtures: a real Chromium, logged in to the real Airflow."""

import os
import shutil
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from tests.support.pages import Pages
from tests.support.programs import NO_CHROMIUM, require_program

# Playwright's five seconds are too few for a picture on a busy machine.
_MILLISECONDS = 15_000
_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    require_program(path, NO_CHROMIUM)
    # Chromium's sandbox does not work for root, which containers and CI machines use.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    expect.set_options(timeout=_MILLISECONDS)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=arguments)
        yield started
        started.close()


@pytest.fixture
def logged_in(browser: Browser, pages: Pages) -> Iterator[Callable[..., BrowserContext]]:
    """`logged_in("reviewer", locale="zh-CN", viewport={...})`: a separate browser profile."""
    opened: list[BrowserContext] = []

    def log_in(account: str, **options: object) -> BrowserContext:
        context = browser.new_context(**({"locale": "en-GB"} | options))
        context.set_default_timeout(_MILLISECONDS)
        token = pages.server.log_in(account)["Authorization"].removeprefix("Bearer ")
        host = urlsplit(pages.airflow.url).hostname
        cookie = {"name": "_token", "value": token, "domain": host, "path": "/"}
        context.add_cookies([cookie])
        opened.append(context)
        return context

    yield log_in
    for context in opened:
        context.close()
