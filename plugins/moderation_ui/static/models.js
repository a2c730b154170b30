// Promotion, rollback and approval of a candidate; each is confirmed in the page, with a reason.
import { askIn } from "./dialog.js";
import { notice, refused } from "./notices.js";
import { page, words } from "./page.js";
import { post } from "./requests.js";

const DONE = "moderation.models.done"; // what was done, shown after the page has reloaded
const champion = document.getElementById("models").dataset.champion || null;
const dialog = document.getElementById("switch");

const said = sessionStorage.getItem(DONE);
if (said) {
  sessionStorage.removeItem(DONE);
  notice(said);
}

function finish(text) {
  sessionStorage.setItem(DONE, text);
  window.location.reload();
}

// The reason that the owner gave; null where they canceled.
async function asked({ title, says, yes, danger = false, wantsReason = true }) {
  const reason = document.getElementById("switch-reason");
  document.getElementById("switch-title").textContent = title;
  document.getElementById("switch-says").textContent = says;
  document.getElementById("switch-reason-label").hidden = !wantsReason;
  const button = document.getElementById("switch-yes");
  button.textContent = yes;
  button.className = danger ? "danger" : "main";
  reason.required = wantsReason;
  reason.value = "";
  return (await askIn(dialog)) ? reason.value.trim() : null;
}

async function change(button) {
  const { switch: kind, hash, short } = button.dataset;
  const key = `models.ask_${kind}`;
  const reason = await asked({
    title: words(`${key}_title`, { short }),
    says: words(`${key}_says`, { short }),
    yes: words(`${key}_yes`),
  });
  if (reason === null) return;
  button.disabled = true;
  const working = notice(words("models.working")); // the server loads and checks the version
  try {
    const answer =
      kind === "promote"
        ? await post(`/api/models/${hash}/promote`, { reason, expected: champion })
        : await post("/api/models/rollback", { to: hash ?? "previous", reason, expected: champion });
    finish(words("models.done_switch", { short: answer.champion.slice(0, 12) }));
  } catch (error) {
    button.disabled = false;
    working.remove();
    refused(error);
  }
}

// Airflow's approval, answered with the browser's session: Airflow checks the permission.
async function answerRun(run, option) {
  const airflow = page.base.replace(/\/moderation$/, "");
  const task = "taskInstances/approve/-1/hitlDetails";
  const path = `${airflow}/api/v2/dags/retrain_model/dagRuns/${encodeURIComponent(run)}/${task}`;
  try {
    const answer = await fetch(path, {
      method: "PATCH",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ chosen_options: [option], params_input: {} }),
    });
    return answer.status;
  } catch {
    return 0;
  }
}

async function answer(button) {
  const { answer: option, run, short } = button.dataset;
  const key = `models.ask_${option.toLowerCase()}`;
  const yes = await asked({
    title: words(`${key}_title`, { short }),
    says: words(`${key}_says`),
    yes: words(`${key}_yes`),
    danger: option === "Reject",
    wantsReason: false,
  });
  if (yes === null) return;
  button.disabled = true;
  const status = await answerRun(run, option);
  if (status === 200) {
    finish(words(`models.done_${option.toLowerCase()}`));
    return;
  }
  button.disabled = false;
  const known = `models.airflow_${status}`;
  notice(page.words[known] ?? words("models.airflow_other", { status }), { bad: true });
}

for (const button of document.querySelectorAll("[data-switch]")) {
  button.addEventListener("click", () => change(button));
}
for (const button of document.querySelectorAll("[data-answer]")) {
  button.addEventListener("click", () => answer(button));
}
