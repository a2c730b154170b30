// Shows whether all decisions are saved; none is lost silently.
import { notice } from "./notices.js";
import { page, words } from "./page.js";
import { byId } from "./queue_dom.js";
import { titleOf } from "./queue_facts.js";
import { number } from "./queue_words.js";

export function showSaving(outbox) {
  let troubled = false;
  let signedOut = null;

  const show = () => {
    const { unsaved, waits } = outbox;
    const state = unsaved === 0 ? "saved" : waits ? "waiting" : "sending";
    const sentence = unsaved === 0 ? words("queue.saved") : words("queue.unsaved", { n: number(unsaved) });
    byId("saving").dataset.state = state;
    byId("saving").textContent = sentence;
    if (waits && !troubled) byId("spoken").textContent = sentence;
    if (unsaved === 0 && troubled) {
      notice(words("queue.saved_again"));
      signedOut?.remove();
    }
    troubled = unsaved > 0 && (troubled || waits);
  };
  outbox.addEventListener("change", show);
  outbox.addEventListener("signedout", () => {
    if (signedOut?.isConnected) return;
    const action = { text: words("queue.reload"), run: () => window.location.reload() };
    signedOut = notice(words("queue.session_over"), { bad: true, action });
  });
  window.addEventListener("beforeunload", (event) => {
    if (outbox.unsaved > 0) event.preventDefault();
  });
  window.addEventListener("online", () => outbox.retryNow());
  if (outbox.unsaved > 0) {
    notice(words("queue.restored", { n: outbox.unsaved }));
    outbox.retryNow();
  }
  show();
}

// A decision that the server rejected: the photo, the label, and why.
export function showRejected({ item, answer }) {
  const key = item.kind === "undo" ? "queue.undo_refused" : "queue.not_taken";
  const what = words(key, { name: item.task.name });
  const why = page.words[`errors.${answer.error}`] ?? words("errors.internal");
  const said = item.label === undefined ? "" : ` (${titleOf(item.label)})`;
  const detail = answer.error === "lease_lost" ? "" : (answer.detail ?? "");
  notice([what + said, why, detail].filter(Boolean).join(" "), { bad: true });
}
