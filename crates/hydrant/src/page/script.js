// What the page cannot do without a script: the viewer's own time zone, live updates, and `/` to reach the search box.
"use strict";

const LIVE_EVERY_MS = 2000;

const results = document.getElementById("results");
const live = document.getElementById("live");
const search = document.getElementById("q");

// UTC stands in the page already; the viewer's time goes beside it where the two differ.
function showLocalTimes(within) {
  for (const time of within.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime()) || time.querySelector(".local")) continue;
    const local = document.createElement("span");
    local.className = "local";
    local.textContent = at.toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" });
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    time.title = `${time.dateTime} UTC; ${local.textContent} ${zone}`;
    if (at.getTimezoneOffset() !== 0) time.append(local);
  }
}

// Moves the focus to the same entry after the list was replaced, so that keys keep working.
function replaceResults(html) {
  const focused = document.activeElement && results.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  results.innerHTML = html;
  showLocalTimes(results);
  if (focused !== null) {
    for (const link of results.querySelectorAll("a")) {
      if (link.getAttribute("href") === focused) link.focus({ preventScroll: true });
    }
  }
}

// As the browser writes it, so that an answer can be compared with what the page came with. What has not changed is not
// replaced: nothing vanishes under a click.
function asWritten(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.innerHTML;
}

let shown = results ? results.innerHTML : "";

async function update() {
  const asked = new URLSearchParams(location.search);
  const watching = live.checked && document.visibilityState === "visible" && !asked.has("from");
  if (watching) {
    try {
      const answer = await fetch(`/live${location.search}`, { cache: "no-store" });
      const html = asWritten(await answer.text());
      if (html !== shown) replaceResults(html);
      shown = html;
      results.classList.remove("away");
    } catch {
      results.classList.add("away");
    }
  }
  setTimeout(update, LIVE_EVERY_MS);
}

showLocalTimes(document);
if (results && live) {
  live.parentElement.hidden = false;
  setTimeout(update, LIVE_EVERY_MS);
}
document.addEventListener("keydown", (event) => {
  const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
  if (event.key === "/" && search && !typing) {
    event.preventDefault();
    search.focus();
    search.select();
  }
});
