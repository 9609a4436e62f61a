// Keeps a page as it is on the server: follows the events, and swaps the parts marked data-live for their new state.
// Focus, scrolling, open details and typed text stay, because only what differs is touched.

const numbers = new Intl.NumberFormat("en-US");
const connection = document.getElementById("connection");
const said = document.getElementById("said");
document.documentElement.classList.add("js");

// Telling

const spoken = new Map();
let silence = 0;

/** Says something once, however many events tell it. */
function say(text, key = text) {
  const now = Date.now();
  if (now - (spoken.get(key) ?? -Infinity) < 10_000) return;
  spoken.set(key, now);
  clearTimeout(silence);
  said.textContent = "";
  setTimeout(() => { said.textContent = text; }, 50);
  silence = setTimeout(() => { said.textContent = ""; }, 10_000);
}

document.addEventListener("page:say", (event) => say(event.detail, `${event.detail} ${Date.now()}`));

const named = (options) => new Intl.DateTimeFormat("en-US", { timeZone: "UTC", year: "numeric", ...options }).format;
const longMonth = named({ month: "long" });
const shortMonth = named({ month: "short" });

/** Days as the page writes them: `1 Oct 2026 to 5 Oct 2026`, whole months by their names. */
function daysOf(first, last) {
  const [from, to] = [new Date(first), new Date(last)];
  const afterLast = new Date(to);
  afterLast.setUTCDate(to.getUTCDate() + 1);
  const whole = from.getUTCDate() === 1 && afterLast.getUTCDate() === 1;
  const name = whole ? longMonth : (day) => `${day.getUTCDate()} ${shortMonth(day)}`;
  const names = [name(from), name(to)];
  return names[0] === names[1] ? names[0] : names.join(" to ");
}

function sayJob(job) {
  const report = `${job.months ? "Reports" : "Report"} for ${daysOf(job.startDate, job.endDate)}`;
  const key = `${job.jobName} ${job.state}`;
  if (job.state === "queued") say(`${report} is waiting for its turn`, key);
  else if (job.state === "running") say(`${report} started`, key);
  else if (job.state === "failed") say(`${report} failed`, key);
  else if (job.state === "cancelled") say(`${report} cancelled`, key);
  else if (job.unchanged) say(`${report}: nothing had changed`, key);
  else say(`${report} published`, `published ${job.periodId} ${job.edition}`);
}

// Swapping

function keyOf(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return "";
  return node.id || (node.nodeName === "FORM" ? node.getAttribute("action") : "");
}

function isLike(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);
}

/** Makes `old` like `now` and keeps whatever of it already is. */
function morph(old, now) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== now.data) old.data = now.data;
    return;
  }
  if (old.hasAttribute("data-keep") || old.isEqualNode(now)) return;
  for (const { name } of [...old.attributes]) {
    const owned = name === "open" || name === "tabindex";
    if (!owned && !now.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of now.attributes) {
    if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const wanted = new Set([...now.childNodes].map(keyOf));
  const keyed = new Map([...old.childNodes].filter(keyOf).map((child) => [keyOf(child), child]));
  let next = old.firstChild;
  for (const child of [...now.childNodes]) {
    while (next && keyOf(next) && !wanted.has(keyOf(next))) {
      const gone = next;
      next = next.nextSibling;
      gone.remove();
    }
    let match = keyOf(child) ? keyed.get(keyOf(child)) : next;
    if (match && !isLike(match, child)) match = null;
    if (!match) {
      old.insertBefore(child, next);
    } else {
      if (match === next) next = next.nextSibling;
      else old.insertBefore(match, next);
      morph(match, child);
    }
  }
  while (next) {
    const gone = next;
    next = next.nextSibling;
    gone.remove();
  }
}

function swap(fresh) {
  const focused = document.activeElement;
  for (const old of document.querySelectorAll("[data-live]")) {
    const now = fresh.querySelector(`[data-live="${CSS.escape(old.dataset.live)}"]`);
    if (!now) continue;
    const held = old.contains(focused);
    morph(old, now);
    if (held && !focused.isConnected) {
      old.tabIndex = -1;
      old.focus({ preventScroll: true });
    }
  }
  document.dispatchEvent(new Event("page:swapped"));
}

let loads = 0;

/** Loads an address of this page and swaps its parts. False where that failed. */
async function load(address) {
  const number = ++loads;
  const answer = await fetch(address, { headers: { Accept: "text/html" }, cache: "no-store" });
  if (answer.redirected && new URL(answer.url).pathname === "/sign-in") {
    signedOut();
    return false;
  }
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (number === loads) swap(fresh);
  return answer.ok;
}

let refreshing = false;
let refreshAgain = false;

/** Brings the page up to date; many calls at once make few requests. */
async function refresh() {
  refreshAgain = true;
  if (refreshing) return;
  refreshing = true;
  while (refreshAgain) {
    await new Promise((done) => setTimeout(done, 200));
    refreshAgain = false;
    await load(location.href).catch(() => {});
  }
  refreshing = false;
}

// Events

const states = new Map();

function showProgress(node, job) {
  const field = (name, text) => {
    const place = node.querySelector(`[data-field="${name}"]`);
    if (place) place.textContent = text;
  };
  // Once all tickets are read their share says nothing more of what is left to do; that of a backfill's months does.
  const counted = job.months != null || (job.percent ?? 0) < 100;
  const percent = counted ? job.percent : null;
  const bar = node.querySelector("progress");
  if (bar && percent == null) bar.removeAttribute("value");
  else if (bar) bar.value = percent;
  if (job.stage) field("stage", job.stage);
  field("rows", job.rows == null || !counted ? "" : ` · ${numbers.format(job.rows)} tickets`);
  field("percent", percent == null ? "" : ` · ${percent} %`);
}

function onJob(job) {
  const nodes = document.querySelectorAll(`[data-job="${CSS.escape(job.jobName)}"]`);
  const before = states.get(job.jobName) ?? nodes[0]?.dataset.jobState;
  // A backfill's months begin and end by themselves, and not every end makes an edition.
  const now = [job.state, ...(job.months ?? []).map((month) => month.state)].join(" ");
  states.set(job.jobName, now);
  if (before === now) {
    nodes.forEach((node) => showProgress(node, job));
    return;
  }
  if (before?.split(" ")[0] !== job.state) sayJob(job);
  refresh();
}

function onEdition(edition) {
  const [first, last] = edition.period.split("_to_");
  const period = last ? daysOf(first, last) : longMonth(new Date(first));
  say(`Report for ${period} published`, `published ${edition.period} ${edition.edition}`);
  refresh();
}

function onStore(store) {
  say(store.ready ? "The store can be read again" : `The store can't be read: ${store.reason ?? ""}`);
  refresh();
}

let source = null;
let ended = false;
let opened = false;
let lost = false;
let patience = 0;
let retry = 0;
let waits = 1000;
let heard = 0;

function connect() {
  clearTimeout(retry);
  source?.close();
  source = new EventSource("/api/k8s/events");
  source.onopen = onOpen;
  source.onerror = onCut;
  const on = (name, then) =>
    source.addEventListener(name, (event) => {
      heard = Date.now();
      then(event.data && JSON.parse(event.data));
    });
  on("alive", () => {});
  on("job", onJob);
  on("edition", onEdition);
  on("store", onStore);
  on("reset", refresh);
}

// A network that vanishes tells nobody. The server says every quarter of a minute that it lives: after three times
// without a word the connection is made anew.
setInterval(() => {
  if (source?.readyState !== EventSource.OPEN || Date.now() - heard < 45_000) return;
  connect();
  onCut();
}, 5_000);

function onOpen() {
  heard = Date.now();
  clearTimeout(patience);
  patience = 0;
  waits = 1000;
  // What happened before the first event can be heard may be missing on a page that shows unfinished jobs.
  if (opened || lost || document.querySelector("[data-job]")) refresh();
  opened = true;
  if (lost) {
    lost = false;
    connection.replaceChildren();
    say("Connected again");
  }
  document.dispatchEvent(new Event("page:connected"));
}

function onCut() {
  if (!lost && !patience) patience = setTimeout(showLost, 1500);
  if (source.readyState !== EventSource.CLOSED) return;
  // The browser has given up: the answer was an error. See whether somebody has to sign in, and try again.
  clearTimeout(retry);
  retry = setTimeout(async () => {
    await load(location.href).catch(() => {});
    if (!ended) connect();
  }, waits);
  waits = Math.min(waits * 2, 15_000);
}

function showLost() {
  patience = 0;
  lost = true;
  const since = new Date().toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  connection.textContent =
    `The server can't be reached since ${since}. What you see may be out of date; this page tries again by itself.`;
}

function signedOut() {
  ended = true;
  clearTimeout(patience);
  source?.close();
  const link = document.createElement("a");
  link.href = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
  link.textContent = "Sign in again";
  connection.replaceChildren("You are signed out, so this page no longer follows what happens. ", link);
}

// A hidden page gives its connection back: browsers allow a server only a few.
let asleep = 0;

function sleep() {
  clearTimeout(retry);
  clearTimeout(patience);
  patience = 0;
  source?.close();
  source = null;
}

function onVisibility() {
  clearTimeout(asleep);
  if (ended) return;
  if (document.hidden) {
    asleep = setTimeout(sleep, 15_000);
  } else if (!source) {
    connect();
  }
}

if (document.body.hasAttribute("data-events")) {
  connect();
  document.addEventListener("visibilitychange", onVisibility);
  addEventListener("online", () => { if (!ended) connect(); });
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => { if (event.persisted && !ended) connect(); });
}

// The list of workbooks

const search = document.getElementById("search");

/** Shows another part of the list; what is typed makes no new entry in the history. */
async function show(address, typed = false) {
  const url = new URL(address, location.href);
  try {
    if (!(await load(url))) throw new Error("no list");
  } catch {
    location.href = url;
    return;
  }
  if (typed) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  follow(url);
  const total = Number(document.querySelector("[data-total]")?.dataset.total ?? 0);
  say(total === 1 ? "1 workbook" : `${numbers.format(total)} workbooks`, `list ${url.search}`);
}

/** Makes the search's fields say what the address says. */
function follow(url) {
  if (!search) return;
  if (document.activeElement !== search) search.value = url.searchParams.get("search") ?? "";
  for (const name of ["sort", "order"]) {
    const value = url.searchParams.get(name);
    if (value) search.form.elements[name].value = value;
  }
}

function searched(form) {
  const url = new URL(form.action);
  const fields = new URLSearchParams(new FormData(form));
  if (!fields.get("search")) fields.delete("search");
  url.search = fields.toString();
  return url;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-list]");
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (link && plain && document.body.hasAttribute("data-events")) {
    event.preventDefault();
    show(link.href);
  }
});

if (search) {
  let typing = 0;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => show(searched(search.form), true), 300);
  });
  search.form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(typing);
    show(searched(search.form));
  });
  addEventListener("popstate", () => { follow(new URL(location.href)); refresh(); });
}
