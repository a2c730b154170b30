// Charts: every element with data-chart holds Plotly's {data, layout} as JSON, from the server.
import { page } from "./page.js";

const colour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function themed(layout) {
  const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--line"), automargin: true };
  return {
    ...layout,
    autosize: true,
    font: { color: colour("--ink"), family: "system-ui, sans-serif", size: 12 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { t: 24, r: 16, b: 40, l: 48, ...layout.margin },
    xaxis: { ...axis, ...layout.xaxis },
    yaxis: { ...axis, ...layout.yaxis },
  };
}

// A color may be named as a style variable ("--pass"), so that both themes fit.
function coloured(value) {
  if (typeof value === "string" && value.startsWith("--")) return colour(value);
  if (Array.isArray(value)) return value.map(coloured);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, coloured(v)]));
  }
  return value;
}

export function draw(element) {
  const { data, layout = {} } = JSON.parse(element.dataset.chart);
  const options = { displayModeBar: false, responsive: true, locale: page.language };
  window.Plotly.react(element, coloured(data), themed(coloured(layout)), options);
}

const drawAll = () => document.querySelectorAll("[data-chart]").forEach(draw);
drawAll();
new MutationObserver(drawAll).observe(document.documentElement, { attributeFilter: ["data-theme"] });
