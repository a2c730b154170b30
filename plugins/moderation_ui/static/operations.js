// The operations pages: a click on a night in a chart leads to it; photos that are gone say so.
const address = (point) => {
  const found = point?.customdata;
  return typeof found === "string" && found.startsWith("/") ? found : null;
};

// Plotly fills its elements when charts.js has drawn them; this module is loaded after it.
for (const chart of document.querySelectorAll("[data-chart]")) {
  chart.on?.("plotly_click", (event) => {
    const to = address(event.points[0]);
    if (to) window.location.assign(to);
  });
}

function gone(image) {
  const place = image.closest(".picture");
  place.classList.add("gone");
  place.textContent = image.alt;
}

for (const image of document.querySelectorAll(".picture img")) {
  image.addEventListener("error", () => gone(image));
  if (image.complete && image.naturalWidth === 0 && image.currentSrc) gone(image);
}

const unblur = document.getElementById("unblur");
unblur?.addEventListener("click", () => {
  const shown = document.body.classList.toggle("unblurred");
  unblur.setAttribute("aria-pressed", String(shown));
});
