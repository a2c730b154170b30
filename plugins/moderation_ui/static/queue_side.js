// The panel next to the photo: reason, guidance of the policy, and origin.
import { words } from "./page.js";
import { byId, element } from "./queue_dom.js";
import { classOf } from "./queue_facts.js";
import { ageSince, reasonsInWords, share, when } from "./queue_words.js";

function guidance(task) {
  const wanted = classOf(task.category);
  byId("guidance").hidden = !wanted?.guidance;
  if (!wanted?.guidance) return;
  byId("guidance-title").textContent = words("queue.guidance", { title: wanted.title });
  byId("guidance-text").textContent = wanted.guidance;
}

function facts(task) {
  const rows = [
    ["product", task.product_id],
    ["review", task.review_id],
    ["uploaded", task.uploaded_at && when(task.uploaded_at)],
    ["waits_since", ageSince(task.opened_at)],
    ["file", task.name],
  ];
  const shown = rows.filter(([, value]) => value !== null && value !== undefined);
  byId("facts").replaceChildren(
    ...shown.flatMap(([key, value]) => [
      element("dt", {}, words(`queue.${key}`)),
      element("dd", { class: "long", title: key === "file" ? task.object_key : null }, String(value)),
    ]),
  );
}

export function showSide(task) {
  byId("reason").textContent = reasonsInWords(task.reasons);
  const score = task.violation_score; // null: the model's score is hidden
  byId("score").textContent = score === null ? "" : words("queue.score", { share: share(score) });
  guidance(task);
  facts(task);
}

export function speak(task) {
  const reason = reasonsInWords(task.reasons);
  byId("spoken").textContent = words("queue.now_showing", { name: task.name, reason });
}
