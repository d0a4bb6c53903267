// The console of bringup: keeps ages true between two polls, and shows that a page which cannot be updated is old.
// A page that is frozen must never look alive: whatever stops the polls, the clock here goes on.
"use strict";

const AWAY_AFTER_S = 4; // no answer of the console for so long: two polls were missed. A person sees it within 5 s.
const OLD_AFTER_S = 5; // the age at which it is shown in red
let answeredAt = Date.now(); // the last answer of the console
let visibleAt = Date.now(); // a hidden tab is polled seldom, or not at all: its silence is no news
let ageThen = 0; // how old the console's own knowledge was then, s; null: it never had any

function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  for (let index = 0; index < units.length; index += 1) {
    const [name, size] = units[index];
    if (whole >= size || name === "s") {
      const count = Math.floor(whole / size);
      const next = units[index + 1];
      const part = next ? Math.floor((whole % size) / next[1]) : 0;
      return part && count < 10 ? `${count} ${name} ${part} ${next[0]}` : `${count} ${name}`;
    }
  }
  return "";
}

function showAges() {
  const now = Date.now();
  for (const time of document.querySelectorAll("time.ago")) {
    const seconds = (now - Date.parse(time.dateTime)) / 1000;
    const text = seconds >= 0 ? span(seconds) : `in ${span(-seconds)}`;
    if (time.textContent !== text) time.textContent = text;
  }
}

function showFreshness() {
  const polls = document.getElementById("live") !== null;
  const silent = (Date.now() - answeredAt) / 1000;
  const asof = document.getElementById("asof");
  if (asof) {
    const age = ageThen === null ? null : ageThen + silent;
    asof.textContent = age === null ? "never" : age < 2 ? "now" : `${span(age)} ago`;
    asof.parentElement.classList.toggle("old", polls && (age === null || age > OLD_AFTER_S));
  }
  const away = document.getElementById("console-away");
  if (away) {
    const looked = (Date.now() - Math.max(answeredAt, visibleAt)) / 1000;
    away.hidden = !polls || document.hidden || looked <= AWAY_AFTER_S;
    document.getElementById("away-since").textContent = span(silent);
  }
}

document.addEventListener("htmx:afterRequest", (event) => {
  const answer = event.detail.xhr;
  if (!answer || answer.status === 0 || answer.status >= 400) return; // no news: what is shown gets older
  answeredAt = Date.now();
  const age = answer.getResponseHeader("Console-Age");
  if (age !== null) ageThen = age === "" ? null : Number(age);
  showFreshness();
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  visibleAt = Date.now();
  showAges();
  showFreshness();
});

// What is selected stays selected when a poll replaces its line.
const selected = new Set();

function showSelected() {
  const count = document.getElementById("selected");
  if (count) count.textContent = selected.size ? ` ${selected.size}` : "";
}

document.addEventListener("change", (event) => {
  const box = event.target;
  if (!(box instanceof HTMLInputElement) || box.getAttribute("form") !== "bulk") return;
  if (box.checked) selected.add(box.value);
  else selected.delete(box.value);
  showSelected();
});

document.addEventListener("htmx:oobAfterSwap", () => {
  for (const box of document.querySelectorAll("input[form=bulk]")) box.checked = selected.has(box.value);
});

// Browsers check boxes again by themselves after "Back".
window.addEventListener("pageshow", () => {
  for (const box of document.querySelectorAll("input[form=bulk]:checked")) selected.add(box.value);
  showSelected();
});

// "/" goes to the search, as in many pages; no other key is taken.
document.addEventListener("keydown", (event) => {
  const inField = event.target instanceof HTMLElement && event.target.closest("input, select, textarea");
  const search = document.querySelector(".filters input[type=search]");
  if (event.key === "/" && !inField && search && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    search.focus();
  }
});

setInterval(() => {
  showAges();
  showFreshness();
}, 1000);
showFreshness();
