// Of every page: the language switch, and times in the browser's time zone.
import { page } from "./page.js";

document.getElementById("language").addEventListener("click", () => {
  const other = page.language === "zh" ? "en" : "zh";
  const path = page.base || "/";
  document.cookie = `moderation_language=${other}; path=${path}; max-age=31536000; samesite=lax`;
  window.location.reload();
});

const asText = new Intl.DateTimeFormat(page.language === "zh" ? "zh-CN" : "en-GB", {
  dateStyle: "medium",
  timeStyle: "short",
});

for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.getAttribute("datetime"));
  if (!Number.isNaN(moment.getTime())) time.textContent = asText.format(moment);
}
