// What the story in browser.mjs is told with: the line to the script that has set the stage, a browser that notices
// whatever goes wrong in its pages, and looks at a page as different people see it.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** Nothing that is waited for may take longer, in milliseconds. */
export const LONGEST = 30_000;

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function answer() {
  const { value, done } = await answers.next();
  if (done) throw new Error("whoever started this is gone");
  return JSON.parse(value);
}

/** Where everything is: the first line that is told to us. */
export const settings = await answer();

/** Lets the other side do something that no browser can. */
export async function ask(what, ...more) {
  process.stdout.write(`${JSON.stringify({ ask: what, arguments: more })}\n`);
  const { result, error } = await answer();
  if (error) throw new Error(`${what}: ${error}`);
  return result;
}

/** A line for whoever reads along. */
export function say(text) {
  process.stdout.write(`${JSON.stringify({ say: text })}\n`);
}

export function must(holds, what) {
  if (!holds) throw new Error(what);
}

/** Waits until something holds. */
export async function until(what, holds, longest = LONGEST) {
  const deadline = Date.now() + longest;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`after ${longest} ms still not: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const require = createRequire(join(settings.modules, "any.js"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

/** What went wrong in pages, and what is expected to go wrong for a while. */
const complaints = [];
const expected = [];

function complain(text) {
  if (!expected.some((pattern) => pattern.test(text))) complaints.push(text);
}

/** Ends the story when a page has complained since the last time. */
export function quiet(where) {
  must(complaints.length === 0, `${where}: ${complaints.join("\n")}`);
}

/** Does something during which pages may complain in this way. */
export async function expecting(patterns, does) {
  expected.push(...patterns);
  try {
    return await does();
  } finally {
    for (const pattern of patterns) expected.splice(expected.indexOf(pattern), 1);
  }
}

/** A browser with a profile of its own that talks to nobody but the server. */
export function launch() {
  return chromium.launch({
    executablePath: settings.chromium,
    args: [
      "--no-sandbox", "--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync", "--disable-quic",
    ],
  });
}

/** A window of its own, with its own cookies, in which everything that a page complains of is noticed. */
export async function open(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(LONGEST);
  context.on("console", (message) => {
    const isBad = ["error", "warning"].includes(message.type());
    if (isBad) complain(`console: ${message.text()} (${message.location().url})`);
  });
  context.on("weberror", (error) => complain(`a script failed: ${error.error()}`));
  context.on("request", (request) => {
    const url = new URL(request.url());
    const own = url.origin === settings.url || ["data:", "blob:"].includes(url.protocol);
    if (!own) complain(`a request to ${url.href}`);
  });
  context.on("response", (response) => {
    if (response.status() >= 400) complain(`${response.status()} for ${response.url()}`);
  });
  return context;
}

/** Signs in and comes to the first page. */
export async function signIn(page, token) {
  await page.goto(`${settings.url}/`);
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Reports", level: 1 }).waitFor();
}

/** Presses Tab until something has the focus. Whatever has it on the way must show that. */
export async function tabTo(page, target, what) {
  for (let presses = 0; presses < 80; presses += 1) {
    await page.keyboard.press("Tab");
    const shown = await page.evaluate(() => {
      const focused = document.activeElement;
      if (!focused || focused === document.body) return null;
      // A control inside a label may leave it to the label.
      const marks = [focused, focused.closest("label")].filter(Boolean).map((element) => getComputedStyle(element));
      const marked = marks.some((style) => style.outlineStyle !== "none" || style.boxShadow !== "none");
      return marked ? null : focused.outerHTML.slice(0, 200);
    });
    must(shown === null, `nothing shows that this has the focus: ${shown}`);
    if (await target.evaluate((element) => element === document.activeElement)) return;
  }
  throw new Error(`Tab doesn't come to ${what}`);
}

const THEMES = ["light", "dark"];
const WIDTHS = [1280, 360];

/** What looks have found; the story goes on, so that one run tells all of it. */
export const faults = [];

/** Sees whether a page is right for everybody: in both themes, on a desk and on a phone. Takes a picture of each. */
export async function look(page, name, found = faults) {
  const before = page.viewportSize();
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: width === 360 ? 740 : 900 });
    for (const colorScheme of THEMES) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      // Two frames later styles, plots and bars are what they will be.
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      await page.screenshot({ path: join(settings.pictures, `${name}-${colorScheme}-${width}.png`), fullPage: true });
      await accessible(page, `${name}, ${colorScheme}, ${width} px`, found);
    }
    const wide = await page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      if (scrollWidth <= clientWidth) return "";
      const all = [...document.querySelectorAll("body *")];
      const beyond = all.filter((element) => element.getBoundingClientRect().right > clientWidth + 1);
      return `${scrollWidth} px: ${beyond.slice(0, 3).map((element) => element.outerHTML.slice(0, 120))}`;
    });
    if (wide) found.push(`${name} can be scrolled sideways at ${width} px: ${wide}`);
  }
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
  await page.setViewportSize(before);
  quiet(name);
}

/** Spoils a page, and sees that it is noticed. */
export async function spoil(page) {
  const found = [];
  await page.evaluate(() => {
    document.body.insertAdjacentHTML("beforeend", '<img src="/assets/favicon.svg"><p id="broad">.</p>');
    document.getElementById("broad").style.width = "2000px";
  });
  await look(page, "spoiled", found);
  for (const wanted of ["image-alt", "sideways at 360 px"]) {
    must(found.some((fault) => fault.includes(wanted)), `a page is spoiled and nobody notices: ${wanted}`);
  }
  await page.evaluate(() => console.error("as if a script had failed"));
  await until("the complaint", () => complaints.length > 0);
  complaints.length = 0;
}

/** What axe-core finds. It is given to the page from outside, past the page's own policy. */
async function accessible(page, where, found) {
  await page.evaluate(axe);
  const run = () => globalThis.axe.run(document, { resultTypes: ["violations"] });
  const { violations, passes } = await page.evaluate(run);
  must(passes.length > 5, `${where}: axe-core has looked at nothing`);
  const told = violations.map(({ id, help, nodes }) => {
    const shown = nodes.slice(0, 3).map((node) => `${node.target}: ${node.html.slice(0, 160)}: ${node.failureSummary}`);
    return `${id}: ${help} (${nodes.length})\n  ${shown.join("\n  ")}`;
  });
  if (told.length > 0) found.push(`${where}: axe-core finds\n${told.join("\n")}`);
}

/** Pictures of all pages as they are, for whoever wants to know why it failed. */
export async function pictures(browser) {
  for (const [number, page] of browser.contexts().flatMap((context) => context.pages()).entries()) {
    const path = join(settings.pictures, `failed-${number}.png`);
    const taken = page.screenshot({ path, fullPage: true, timeout: 5000 });
    await taken.catch((error) => say(`no picture: ${error.message}`));
    say(`${path}: ${page.url()}`);
  }
}
