"""The queue page in a reviewer's browser, with its errors."""

import re
from dataclasses import dataclass, field

import yaml
from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Locator, Page, expect

from tests.support.pages import Pages
from tests.support.photos import photo
from tests.support.review_tasks import judged_photo


@dataclass
class QueuePage:
    """An open page; `faults` collects script errors, console errors and opened dialogs."""

    page: Page
    faults: list[str] = field(default_factory=list)
    warned: int = 0  # confirmation dialogs on leaving the page; all are accepted

    @property
    def photo(self) -> Locator:
        """The large photo."""
        return self.page.locator("#frame > img").first

    @property
    def side(self) -> Locator:
        """The panel beside the photo."""
        return self.page.locator("#side")

    def shows(self, name: str) -> None:
        """Wait until the photo with this name can be decided."""
        expect(self.photo).to_have_attribute("alt", re.compile(re.escape(name)))

    def press(self, keys: str) -> None:
        """Press keys in sequence, such as `nnv`."""
        for key in keys:
            self.page.keyboard.press(key)

    def saved(self) -> None:
        """Wait until the server has stored all decisions."""
        expect(self.page.locator("#saving")).to_have_attribute("data-state", "saved")

    def notices(self) -> Locator:
        """The notification messages."""
        return self.page.locator("#notices .notice")


def open_queue(context: BrowserContext, pages: Pages, query: str = "") -> QueuePage:
    """Open the page and record its errors."""
    queue = QueuePage(context.new_page())
    queue.page.on("pageerror", lambda error: queue.faults.append(f"error: {error}"))
    queue.page.on("dialog", lambda dialog: _opened(queue, dialog))
    queue.page.on("console", lambda message: _said(queue, message))
    queue.page.goto(f"{pages.url}/queue{query}")
    return queue


def _opened(queue: QueuePage, dialog: Dialog) -> None:
    if dialog.type == "beforeunload":
        queue.warned += 1
        dialog.accept()
    else:
        queue.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()


def _said(queue: QueuePage, message: ConsoleMessage) -> None:
    if message.type == "error":
        queue.faults.append(f"console: {message.text}")


def waiting(pages: Pages, count: int, *, first: int = 0) -> list[int]:
    """Create photos `0.jpg`, `1.jpg`, ... in queue order; return their tasks."""
    return [
        judged_photo(pages.shop, f"{n}.jpg", photo(seed=n), score=0.95 - n / 200)
        for n in range(first, first + count)
    ]


def add_class(pages: Pages, name: str, **title: str) -> None:
    """Add a violation class to the current policy."""
    file = pages.shop.settings.policy_file
    policy = yaml.safe_load(file.read_text("utf-8"))
    policy["classes"][name] = {"violation": True, "action": "review", "title": title}
    file.write_text(yaml.safe_dump(policy, sort_keys=False), "utf-8")


def labels(pages: Pages) -> dict[str, str]:
    """Return the active label by name of the photo."""
    rows = pages.shop.rows(
        "select task.object_key, label.label from moderation.human_label label "
        "join moderation.review_task task using (task_id) "
        "where not exists (select from moderation.decision_undo undo "
        "where undo.label_id = label.label_id) order by label.label_id"
    )
    return {str(key).rpartition("/")[2]: str(label) for key, label in rows}
