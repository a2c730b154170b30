"""Labels of photos as JSON documents that other tools read, written item by item."""

import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from ml.learning.labels.export_photos import PHOTOS
from ml.learning.labels.exported_label import ExportedLabel

COCO, TASKS, CONFIG = "labels.json", "tasks.json", "label_config.xml"
LABEL, CATEGORY, IMAGE = "label", "category", "image"  # names in Label Studio's config
LOCAL_FILES = "/data/local-files/?d="  # where Label Studio serves files of its own disk


class _JsonArray:
    """An array in a file of its own, whose items are never in memory together."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("w", encoding="utf-8")
        self._items = 0

    def add(self, item: object) -> None:
        text = json.dumps(item, ensure_ascii=False, allow_nan=False)
        self._file.write(f"{',' if self._items else '['}\n{text}")
        self._items += 1

    def close(self) -> None:
        self._file.write("\n]" if self._items else "[]")
        self._file.close()


class CocoWriter:
    """COCO with labels of whole photos: annotations have a category, and neither box nor mask.

    This is what pycocotools, torchvision's `CocoDetection`, FiftyOne (`label_types=
    "classifications"`) and Datumaro's `coco_labels` read. `file_name` is below the folder photos.
    """

    def __init__(self, folder: Path, classes: Sequence[str]) -> None:
        self._folder = folder
        self._ids = {name: number for number, name in enumerate(classes, 1)}
        self._images = _JsonArray(folder / f"{COCO}.images.part")
        self._annotations = _JsonArray(folder / f"{COCO}.annotations.part")
        self._number = 0

    def write(self, label: ExportedLabel) -> None:
        """Add a photo and its label."""
        self._number += 1
        self._images.add(
            {
                "id": self._number,
                "file_name": label.file,
                "width": label.width,
                "height": label.height,
                "content_sha256": label.content_sha256,
            }
        )
        self._annotations.add(
            {
                "id": self._number,
                "image_id": self._number,
                "category_id": self._ids[label.label],
                "iscrowd": 0,
                "attributes": {
                    "category": label.category,
                    "decided_at": label.decided_at,
                    "route": label.route,
                    "reviewers": label.reviewers,
                    "contested": label.contested,
                },
            }
        )

    def close(self) -> str:
        """Put the document in place; its name."""
        categories = [
            {"id": number, "name": name, "supercategory": ""} for name, number in self._ids.items()
        ]
        part = self._folder / f"{COCO}.part"
        with part.open("w", encoding="utf-8") as file:
            head = {"info": {"description": "labels of review photos"}, "licenses": []}
            file.write(json.dumps(head)[:-1])
            file.write(f', "categories": {json.dumps(categories, ensure_ascii=False)}')
            for name, array in (("images", self._images), ("annotations", self._annotations)):
                array.close()
                file.write(f',\n"{name}": ')
                with array.path.open(encoding="utf-8") as source:
                    file.writelines(source)
                array.path.unlink()
            file.write("}\n")
        part.replace(self._folder / COCO)
        return COCO


class LabelStudioWriter:
    """Tasks of Label Studio with the photo's label as a prediction, and the labeling interface.

    A prediction is shown to the annotator, and comes back only as an annotation that somebody
    submitted: an exported label can never be imported as another person's.
    """

    def __init__(self, folder: Path, classes: Sequence[str]) -> None:
        self._folder = folder
        self._tasks = _JsonArray(folder / f"{TASKS}.part")
        self._classes = classes

    def write(self, label: ExportedLabel) -> None:
        """Add a task."""
        path = f"{self._folder.resolve().name}/{PHOTOS}/{label.file}"
        results = [_choose(LABEL, label.label)]
        self._tasks.add(
            {
                "data": {
                    "image": f"{LOCAL_FILES}{quote(path)}",
                    "content_sha256": label.content_sha256,
                    "category": label.category or "",
                    "decided_at": label.decided_at,
                    "route": label.route,
                },
                "predictions": [{"model_version": "exported labels", "result": results}],
            }
        )

    def close(self) -> str:
        """Put the tasks in place; their name."""
        config = label_config(self._classes)
        (self._folder / CONFIG).write_text(config, encoding="utf-8")
        self._tasks.close()
        self._tasks.path.replace(self._folder / TASKS)
        return TASKS


def _choose(name: str, choice: str) -> dict[str, object]:
    value = {"choices": [choice]}
    return {"from_name": name, "to_name": IMAGE, "type": "choices", "value": value}


def label_config(classes: Sequence[str]) -> str:
    """The labeling interface of a project: one class, and on request a finer category as text."""
    choices = "".join(f"    <Choice value={quoteattr(name)}/>\n" for name in classes)
    return (
        "<View>\n"
        f'  <Image name="{IMAGE}" value="$image"/>\n'
        f'  <Choices name="{LABEL}" toName="{IMAGE}" choice="single" required="true">\n'
        f"{choices}  </Choices>\n"
        f'  <TextArea name="{CATEGORY}" toName="{IMAGE}" maxSubmissions="1"/>\n'
        "</View>\n"
    )
