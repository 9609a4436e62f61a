// Small things: how long ago something was, which dates a form needs, the way back, and what copies a snippet.

const ages = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** Writes how long ago recent instants were; the clock's reading goes to the tooltip. */
function writeAges() {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
    if (!(seconds < 7 * 86_400)) continue;
    time.title ||= time.textContent;
    const [divisor, unit] = seconds < 3600 ? [60, "minute"] : seconds < 86_400 ? [3600, "hour"] : [86_400, "day"];
    time.textContent = seconds < 60 ? "just now" : ages.format(-Math.floor(seconds / divisor), unit);
  }
}

writeAges();
setInterval(writeAges, 30_000);
document.addEventListener("page:swapped", writeAges);

const range = document.getElementById("period-custom");
if (range) {
  const [first, last] = range.form.querySelectorAll("input[type=date]");
  const today = last.max;
  const ask = () => {
    for (const date of [first, last]) date.required = range.checked;
    // The browser says itself that the first day can't be after the last.
    first.max = range.checked && last.value ? last.value : today;
    last.min = range.checked ? first.value : "";
  };
  range.form.addEventListener("change", ask);
  ask();
}

// Back to a form as it was filled in, where the browser still has it.
document.querySelector("[data-back]")?.addEventListener("click", (event) => {
  if (!document.referrer || history.length < 2) return;
  event.preventDefault();
  history.back();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(text.textContent);
  } catch {
    // Without https the clipboard is closed to scripts: select the text, and copy it the old way.
    getSelection().selectAllChildren(text);
    document.execCommand("copy");
  }
  document.dispatchEvent(new CustomEvent("page:say", { detail: "Copied" }));
});
