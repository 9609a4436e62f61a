// A day at the pages, told by a browser: signing in, making a report, watching it, losing the connection, reading what
// came of it. tests/python/server/browser.py starts this and does what no browser can.

import { join } from "node:path";
import {
  ask, expecting, faults, launch, look, must, open, pictures, quiet, say, settings, signIn, spoil, tabTo, until,
} from "./stage.mjs";

const { url, missing, made, later } = settings;
const first = `${missing}-01`;

const heading = (page, name) => page.getByRole("heading", { name, level: 1 });
const percent = async (page) => (await page.getByRole("progressbar").first().getAttribute("value")) ?? "none";
const alert = (page) => page.getByRole("alert").filter({ hasText: /\S/ });
const workbook = (page, month) => page.getByRole("link", { name: `ticketing-report-${month}.xlsx`, exact: true });

/** How Chromium says that there was nobody at the other end. */
// However a connection breaks off.
const CUT = [
  /ERR_CONNECTION_(REFUSED|RESET|CLOSED)/, /ERR_EMPTY_RESPONSE/, /ERR_INCOMPLETE_CHUNKED/, /ERR_SOCKET_NOT_CONNECTED/,
];

/** A page that was loaded again has lost this. */
const mark = (page) => page.evaluate(() => { globalThis.marked = true; });
const isMarked = (page) => page.evaluate(() => globalThis.marked === true);

async function nobodyGetsInWithoutAToken(browser) {
  const context = await open(browser);
  const page = await context.newPage();
  await page.goto(`${url}/jobs/ticketing-report-1`);
  must(new URL(page.url()).pathname === "/sign-in", `not signed in, and at ${page.url()}`);
  await look(page, "sign-in");
  await expecting([/401/], async () => {
    await page.getByLabel("Token").fill("0".repeat(64));
    await page.getByRole("button", { name: "Sign in" }).click();
    await alert(page).getByText("isn't known").waitFor();
    await look(page, "sign-in-refused");
  });
  quiet("a refused sign-in");
  await spoil(page);
  await context.close();
}

async function aReportIsStartedByTheKeyboard(page) {
  await page.getByRole("link", { name: "Skip to the content" }).waitFor({ state: "attached" });
  const form = page.getByRole("region", { name: "Make a report" });
  await tabTo(page, form.getByRole("radio", { name: /previous month/ }), "the previous month's choice");
  // Down to the range and back again, as one who reads the choices.
  for (const key of ["ArrowDown", "ArrowDown"]) await page.keyboard.press(key);
  must(await form.getByRole("radio", { name: /range/ }).isChecked(), "the arrow keys don't come to the range of days");
  await form.getByLabel("First day").waitFor();
  for (const key of ["ArrowUp", "ArrowUp"]) await page.keyboard.press(key);
  must(await form.getByRole("radio", { name: /previous month/ }).isChecked(), "the arrow keys don't come back");
  await tabTo(page, form.getByRole("button", { name: "Make report" }), "the button of the form");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/jobs\/ticketing-report-\d+$/);
  return new URL(page.url()).pathname.split("/").at(-1);
}

async function itsProgressIsSeen(page, home, name) {
  await until("a fifth of the tickets on the job's page", async () => (await percent(page)) === "20");
  await until("and on the first page", async () => (await percent(home)) === "20");
  await page.getByRole("region", { name: "Log" }).getByText('"rows":200').first().waitFor();
  await look(page, "job-running");
  await look(home, "home-running");
  await Promise.all([page, home].map(mark));
  await ask("go", first, 1);
  await until("three fifths on the job's page", async () => (await percent(page)) === "60");
  await until("and on the first page", async () => (await percent(home)) === "60");
  await page.getByRole("region", { name: "Log" }).getByText('"rows":600').first().waitFor();
  must((await isMarked(page)) && (await isMarked(home)), "the pages were loaded again, not brought up to date");
  await page.reload();
  await until("the same after a reload", async () => (await percent(page)) === "60");
  await heading(page, /Report for/).waitFor();
  must((await page.title()).length > 0 && page.url().endsWith(name), `after a reload at ${page.url()}`);
  quiet("a run");
}

async function theConnectionMayBreak(page, home, name) {
  await Promise.all([page, home].map(mark));
  await expecting(CUT, async () => {
    await ask("cut");
    await alert(page).waitFor();
    await alert(home).waitFor();
    await home.screenshot({ path: join(settings.pictures, "home-without-connection.png") });
    // Meanwhile the report is finished, of which nobody hears.
    await ask("go", first, 2);
    const job = await ask("over", name);
    must(job.state === "succeeded", `the job has ${job.state}: ${job.reason}`);
    await ask("mend");
    await page.getByRole("link", { name: "Download the workbook" }).waitFor();
    await workbook(home, missing).waitFor();
    for (const each of [page, home]) await until("no word of it", async () => (await alert(each).count()) === 0);
  });
  must((await isMarked(page)) && (await isMarked(home)), "the pages were loaded again instead of recovering");
  must((await page.getByRole("progressbar").count()) === 0, "the job is over and shows progress");
  await look(page, "job-done");
  quiet("a broken connection");
}

async function theWorkbookIsDownloaded(page, link, period) {
  const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
  const name = download.suggestedFilename();
  must(name === `ticketing-report-${period}.xlsx`, `the download of ${period} is named ${name}`);
  const path = join(settings.downloads, name);
  await download.saveAs(path);
  const rows = await ask("workbook", path, period);
  quiet("a download");
  return rows;
}

async function anEditionShowsItsFigures(page, period) {
  await page.getByRole("link", { name: "Figures" }).first().click();
  await page.waitForURL(new RegExp(`/editions/${period}/1$`));
  const plots = page.locator("canvas, svg[role=img], [role=img] svg");
  await plots.first().waitFor();
  const drawn = await page.evaluate(() => [...document.querySelectorAll("canvas")].every((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.some((value) => value !== 0);
  }));
  must(drawn, "a plot is empty");
  await look(page, "edition");
  await page.goto(`${url}/editions/${made[0]}/2`);
  await look(page, "edition-second");
}

async function whatOthersDoIsSeen(home) {
  await mark(home);
  must((await workbook(home, later).count()) === 0, `there is a workbook of ${later} already`);
  await ask("publish", later);
  await workbook(home, later).waitFor();
  const said = home.getByText("The store can't be read");
  // What can't be shown is told by a status of its own.
  await expecting([/503/], async () => {
    await ask("store_away");
    await said.first().waitFor();
    const button = home.getByRole("region", { name: "Make a report" }).getByRole("button", { name: "Make report" });
    // The page's parts follow each other.
    const goesOn = async (is) => {
      for (const end = Date.now() + 10_000; await is(); ) {
        if (Date.now() > end) return true;
        await home.waitForTimeout(50);
      }
      return false;
    };
    const isOffered = async () => (await button.count()) > 0 && !(await button.isDisabled());
    if (await goesOn(isOffered)) faults.push("a report can be asked for while there is no store");
    const areMissing = async () => (await home.getByText("No report yet").count()) > 0;
    if (await goesOn(areMissing)) faults.push("months are said to be missing while there is no store");
    await look(home, "home-without-store");
    await ask("store_back");
    await until("the list again", async () => (await said.count()) === 0 && (await workbook(home, later).count()) > 0);
  });
  must(await isMarked(home), "the page was loaded again");
  quiet("what others do");
}

async function theListIsSearchedAndSorted(page) {
  await page.goto(`${url}/`);
  const table = page.getByRole("table", { name: "Workbooks" });
  const names = () => table.getByRole("rowheader").allInnerTexts();
  await page.getByLabel("Search workbooks by name").fill(made[1]);
  await page.keyboard.press("Enter");
  await until(`only workbooks of ${made[1]}`, async () => {
    const found = await names();
    return found.length === 1 && found[0].includes(made[1]);
  });
  await page.getByLabel("Search workbooks by name").fill("nothing has this name");
  await page.keyboard.press("Enter");
  await page.getByText(/No workbook.s name contains/).waitFor();
  await look(page, "home-nothing-found");
  await page.getByRole("link", { name: "Show all" }).click();
  await until("all workbooks", async () => (await names()).length >= 4);
  for (const direction of ["ascending", "descending"]) {
    const column = table.getByRole("columnheader", { name: /Workbook/ });
    await column.getByRole("link").click();
    await until(`names ${direction}`, async () => (await column.getAttribute("aria-sort")) === direction);
    const found = (await names()).map((name) => name.match(/\S+\.xlsx/)[0]);
    const sorted = [...found].sort();
    must(found.join() === (direction === "ascending" ? sorted : sorted.reverse()).join(), `${direction}: ${found}`);
  }
  quiet("search and order");
}

async function aJobIsCancelled(page) {
  await page.goto(`${url}/`);
  const form = page.getByRole("region", { name: "Make a report" });
  await form.getByRole("radio", { name: /range/ }).check();
  await form.getByLabel("First day").fill(`${made[1]}-03`);
  await form.getByLabel("Last day").fill(`${made[1]}-05`);
  await form.getByRole("button", { name: "Make report" }).click();
  await page.waitForURL(/\/jobs\//);
  await until("progress", async () => (await percent(page)) === "20");
  await page.getByRole("button", { name: /^Cancel/ }).click();
  await page.getByText("Cancelled, so no report was made").waitFor();
  await look(page, "job-cancelled");
  const name = new URL(page.url()).pathname.split("/").at(-1);
  must((await ask("over", name)).state === "cancelled", "the server knows nothing of it");
  quiet("a cancelled job");
}

async function daysThatCannotBeAreRefused(page) {
  await page.goto(`${url}/`);
  const form = page.getByRole("region", { name: "Make a report" });
  await form.getByRole("radio", { name: /range/ }).check();
  await form.getByLabel("First day").fill(`${made[1]}-05`);
  await form.getByLabel("Last day").fill(`${made[1]}-03`);
  await form.getByRole("button", { name: "Make report" }).click();
  const isRefused = await form.getByLabel("Last day").evaluate((date) => date.matches(":invalid"));
  must(isRefused && new URL(page.url()).pathname === "/", "the browser lets days through that can't be");
  // And whoever comes past it is told so, and led back.
  await expecting([/400/], async () => {
    await form.locator("form").evaluate((element) => { element.noValidate = true; });
    await form.getByRole("button", { name: "Make report" }).click();
    await page.getByText("swap the two dates").waitFor();
    await look(page, "days-refused");
    await page.getByRole("link", { name: "Back", exact: true }).click();
    await page.getByRole("heading", { name: "Reports", level: 1 }).waitFor();
  });
  quiet("days that can't be");
}

/** On a desk the months stand side by side; on a phone the page before a backfill can be filled in, and its job read. */
async function monthsAreMadeInTheWidthThereIs(page) {
  await page.goto(`${url}/`);
  const places = (months) => new Set(months.map((month) => month.offsetLeft)).size;
  const columns = await page.getByRole("region", { name: "Months" }).getByRole("listitem").evaluateAll(places);
  must(columns >= 3, `the board of months has ${columns} columns at 1280 px`);
  await page.goto(`${url}/backfill`);
  await look(page, "backfill");
  await page.setViewportSize({ width: 360, height: 740 });
  for (const name of ["First month", "Last month"]) {
    const { width } = await page.getByLabel(name).boundingBox();
    must(width >= 120, `the field of the ${name.toLowerCase()} is ${width} px wide on a phone`);
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await expecting([/400/], async () => {
    await page.goto(`${url}/backfill?from=1998-02&to=1998-01`);
    await page.getByRole("alert").getByText("swap the two").waitFor();
  });
  await page.getByLabel("Last month").fill("1998-03");
  await page.getByRole("button", { name: "Show what would be made" }).click();
  await page.getByRole("button", { name: "Make 2 reports" }).click();
  await page.waitForURL(/\/jobs\//);
  await page.getByRole("table", { name: "The months of this job" }).getByText("running").waitFor();
  await look(page, "job-backfill");
  for (const step of [1, 2]) await ask("go", "UTC", step);
  await page.getByText("All months are done").waitFor();
  await look(page, "job-backfill-done");
  quiet("months");
}

async function otherPagesAreRightToo(page) {
  await page.goto(`${url}/`);
  await look(page, "home");
  await page.getByRole("link", { name: /1999/ }).first().click();
  await page.getByText("No report was made").waitFor();
  await look(page, "job-failed");
  await page.goto(`${url}/docs`);
  await look(page, "docs");
  await expecting([/404/], async () => {
    await page.goto(`${url}/jobs/ticketing-report-1`);
    await look(page, "not-found");
  });
}

async function aViewerMayOnlyLook(browser) {
  const context = await open(browser);
  const page = await context.newPage();
  await signIn(page, settings.viewer);
  must((await page.getByRole("button", { name: /^Make/ }).count()) === 0, "a viewer is offered to make reports");
  must((await page.getByRole("link", { name: /^tickets of/ }).count()) === 0, "a viewer is offered snapshots");
  await theWorkbookIsDownloaded(page, workbook(page, made[1]), made[1]);
  await look(page, "home-viewer");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL(/\/sign-in/);
  await page.goto(`${url}/`);
  must(new URL(page.url()).pathname === "/sign-in", "signed out, and still let in");
  quiet("a viewer");
  await context.close();
}

async function listsAndDownloadsNeedNoScripts(browser) {
  const context = await open(browser, { javaScriptEnabled: false });
  const page = await context.newPage();
  await signIn(page, settings.operator);
  await theWorkbookIsDownloaded(page, workbook(page, missing), missing);
  await page.getByLabel("Search workbooks by name").fill(made[1]);
  await page.keyboard.press("Enter");
  await page.waitForURL(/search=/);
  await workbook(page, made[1]).waitFor();
  must((await workbook(page, missing).count()) === 0, "the search has found what wasn't looked for");
  await page.getByRole("link", { name: /Size/ }).click();
  await page.waitForURL(/sort=size/);
  await page.screenshot({ path: join(settings.pictures, "home-without-scripts.png"), fullPage: true });
  await page.goto(`${url}/editions/${made[1]}/1`);
  await page.getByRole("table").first().waitFor();
  await page.screenshot({ path: join(settings.pictures, "edition-without-scripts.png"), fullPage: true });
  quiet("without scripts");
  await context.close();
}

async function aRestartAsksForASignIn(page) {
  const here = `${url}/editions/${made[0]}/2`;
  await page.goto(here);
  await expecting([...CUT, /401/], async () => {
    await ask("restart");
    await page.getByRole("link", { name: "Sign in again" }).click();
  });
  await page.getByLabel("Token").fill(settings.operator);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(here);
  quiet("a restart");
}

const browser = await launch();
try {
  await nobodyGetsInWithoutAToken(browser);
  say("nobody gets in without a token");
  const context = await open(browser);
  const home = await context.newPage();
  await signIn(home, settings.operator);
  const page = await context.newPage();
  await page.goto(`${url}/`);
  const name = await aReportIsStartedByTheKeyboard(page);
  say(`started by the keyboard: ${name}`);
  await itsProgressIsSeen(page, home, name);
  say("its progress is seen, also after a reload");
  await theConnectionMayBreak(page, home, name);
  say("the connection was cut, and both pages have recovered");
  const rows = await theWorkbookIsDownloaded(page, page.getByRole("link", { name: "Download the workbook" }), missing);
  say(`the workbook has its ${rows} tickets`);
  await anEditionShowsItsFigures(page, missing);
  say("an edition shows its figures");
  await whatOthersDoIsSeen(home);
  say("what others do is seen: a new edition, a store that is gone and comes back");
  await theListIsSearchedAndSorted(page);
  await aJobIsCancelled(page);
  await daysThatCannotBeAreRefused(page);
  await otherPagesAreRightToo(page);
  await monthsAreMadeInTheWidthThereIs(page);
  say("lists, a cancelled job, days that can't be, all other pages, months made by one job");
  await aRestartAsksForASignIn(page);
  say("after a restart one signs in again, and is where one was");
  await context.close();
  await aViewerMayOnlyLook(browser);
  await listsAndDownloadsNeedNoScripts(browser);
  say("a viewer only looks; lists and downloads need no scripts");
  must(faults.length === 0, faults.join("\n"));
} catch (error) {
  say(`${error.stack ?? error}`);
  await pictures(browser);
  process.exitCode = 1;
} finally {
  await browser.close();
}
// Nothing more comes, and nothing more is asked for.
process.stdin.destroy();
