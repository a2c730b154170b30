// Reasons, ages, shares and times in the page's language.
import { page, words } from "./page.js";
import { titleOf } from "./queue_facts.js";

const locale = page.language === "zh" ? "zh-CN" : "en-GB";
const moment = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
const whole = new Intl.NumberFormat(locale);
const percent = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 });

export const number = (value) => whole.format(value);
export const share = (value) => percent.format(value);

export function when(iso) {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? String(iso) : moment.format(date);
}

const TITLES = {
  contact: (name) => page.words[`common.contact_${name}`] ?? name,
  screen_failed: titleOfScreen,
  screen_not_run: titleOfScreen,
};

// A signal's screen is called "signal:" and its name in the policy.
export function titleOfScreen(name) {
  const [kind, ...rest] = String(name).split(":");
  return page.words[`queue.screen_${name}`] ?? (kind === "signal" ? words("queue.screen_signal", { title: rest.join(":") }) : name);
}

// "violation:violate" has the text queue.reason_violation; an unknown reason is shown as it is.
export function reasonInWords(reason) {
  const [word, ...rest] = String(reason).split(":");
  const key = `queue.reason_${word}`;
  if (!Object.hasOwn(page.words, key)) return String(reason);
  const name = rest.join(":");
  const text = words(key, { title: (TITLES[word] ?? titleOf)(name) });
  return name && !page.words[key].includes("{title}") ? `${text} (${name})` : text;
}

export const reasonsInWords = (reasons) => (reasons ?? []).map(reasonInWords).join(" · ");

const UNITS = [
  ["days", 86_400],
  ["hours", 3_600],
  ["minutes", 60],
];

export function age(seconds) {
  const [unit, size] = UNITS.find(([, length]) => seconds >= length) ?? ["seconds", 1];
  return words(`queue.age_${unit}`, { n: number(Math.floor(seconds / size)) });
}

export const ageSince = (iso) => age(Math.max(0, (Date.now() - new Date(iso).getTime()) / 1000));

export function altOf(task) {
  if (task.uploaded_at === null) return words("queue.photo_alt_undated", { name: task.name });
  return words("queue.photo_alt", { name: task.name, when: when(task.uploaded_at) });
}
