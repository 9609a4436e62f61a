// Draws bars of net sales by day and by route from the tables beside them. The tables stay, for reading each number.

const DAY = 86_400;
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
const month = new Intl.DateTimeFormat("en-US", { timeZone: "UTC", month: "short" });
const dayMonth = (at) => `${new Date(at).getUTCDate()} ${month.format(at)}`;
const monthYear = (at) => `${month.format(at)} ${new Date(at).getUTCFullYear()}`;

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  const font = getComputedStyle(document.body).fontFamily;
  return { bar: of("--bar"), below: of("--bar-below"), line: of("--line"), text: of("--muted"), font };
}

function rowsOf(plot) {
  return [...plot.parentElement.querySelectorAll("tbody tr")].map((row) => {
    const [name, tickets, net] = [...row.cells].map((cell) => cell.textContent);
    const { key, short } = row.dataset;
    return { key, short, net: Number(row.dataset.net), tip: `${name}: ${net} (${tickets} tickets)` };
  });
}

/** Shows the number under the pointer. */
function tips(texts) {
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  return {
    hooks: {
      init: (u) => u.over.append(tip),
      setCursor: (u) => {
        const { idx, left, top } = u.cursor;
        tip.hidden = idx == null || left < 0;
        if (tip.hidden) return;
        tip.textContent = texts[idx];
        // It may reach over the labels at the left, and never beyond the plot.
        tip.style.maxWidth = `${u.root.clientWidth}px`;
        const room = u.over.clientWidth - tip.offsetWidth;
        tip.style.left = `${Math.max(-u.over.offsetLeft, Math.min(left + 12, room))}px`;
        tip.style.top = `${Math.max(0, top - tip.offsetHeight - 8)}px`;
      },
    },
  };
}

function bars(theme, size) {
  const paths = uPlot.paths.bars({
    size,
    disp: { fill: { unit: 3, values: (u) => u.data[1].map((net) => (net < 0 ? theme.below : theme.bar)) } },
  });
  return { label: "Net sales", paths, width: 0, points: { show: false } };
}

function axis(theme, more) {
  const font = `12px ${theme.font}`;
  return { stroke: theme.text, font, grid: { stroke: theme.line, width: 1 }, ticks: { show: false }, ...more };
}

function fromZero(u, min, max) {
  const [low, high] = [Math.min(0, min ?? 0), Math.max(0, max ?? 0)];
  const room = (high - low || 1) * 0.06;
  return [low < 0 ? low - room : 0, high > 0 || low === 0 ? high + room : 0];
}

const quiet = { legend: { show: false }, cursor: { drag: { x: false, y: false }, points: { show: false }, y: false } };

function days(plot, rows, theme) {
  const second = (day) => Date.parse(`${day}T00:00:00Z`) / 1000;
  const found = new Map(rows.map((row) => [second(row.key), row]));
  const [first, last] = [second(plot.dataset.first), second(plot.dataset.last)];
  const all = [];
  for (let day = first; day <= last; day += DAY) all.push(day);
  const texts = all.map((day) => found.get(day)?.tip ?? `${dayMonth(day * 1000)}: nothing sold`);
  const options = {
    ...quiet,
    width: plot.clientWidth,
    height: Math.max(200, routesHeight(plot.closest(".plots").querySelector("[data-plot=routes]"))),
    padding: [12, 24, 0, 0],
    tzDate: (stamp) => uPlot.tzDate(new Date(stamp * 1000), "UTC"),
    scales: { x: { range: [first - DAY * 0.6, last + DAY * 0.6] }, y: { range: fromZero } },
    axes: [
      axis(theme, {
        grid: { show: false },
        size: 30,
        space: 60,
        incrs: [1, 2, 3, 7, 14, 28, 56, 91, 182, 365, 730].map((days) => days * DAY),
        values: (u, splits, index, space, step) =>
          splits.map((at) => (step < 56 * DAY ? dayMonth : monthYear)(at * 1000)),
      }),
      axis(theme, { size: 52, values: (u, splits) => splits.map((net) => compact.format(net)) }),
    ],
    series: [{}, bars(theme, [0.75, 40])],
    plugins: [tips(texts)],
  };
  return new uPlot(options, [all, all.map((day) => found.get(day)?.net ?? 0)], plot);
}

function routesHeight(plot) {
  return Math.min(rowsOf(plot).length, plot.dataset.most) * 22 + 44;
}

/** Labels that fit beside the bars, whole or short, and the width of the widest. */
function fitting(rows, most, font) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = font;
  const width = (text) => pen.measureText(text).width;
  const labels = rows.map(({ key, short }) => {
    if (width(key) <= most) return key;
    const text = short || key;
    if (width(text) <= most) return text;
    let end = text.length;
    while (end > 1 && width(`${text.slice(0, end)}…`) > most) end -= 1;
    return `${text.slice(0, end).trimEnd()}…`;
  });
  return { labels, widest: Math.max(...labels.map(width)) };
}

function routes(plot, rows, theme) {
  const shown = rows.slice(0, plot.dataset.most);
  const { labels, widest } = fitting(shown, plot.clientWidth * 0.45, `12px ${theme.font}`);
  const options = {
    ...quiet,
    cursor: { ...quiet.cursor, x: false },
    width: plot.clientWidth,
    height: routesHeight(plot),
    padding: [4, 16, 0, 0],
    scales: {
      x: { time: false, ori: 1, dir: -1, range: [-0.6, shown.length - 0.4] },
      y: { ori: 0, dir: 1, range: fromZero },
    },
    axes: [
      axis(theme, {
        side: 3,
        grid: { show: false },
        size: Math.ceil(widest) + 18,
        splits: () => shown.map((row, place) => place),
        values: () => labels,
      }),
      axis(theme, { side: 2, size: 30, space: 60, values: (u, splits) => splits.map((net) => compact.format(net)) }),
    ],
    series: [{}, bars(theme, [0.7, 18])],
    plugins: [tips(shown.map((row) => row.tip))],
  };
  return new uPlot(options, [shown.map((row, place) => place), shown.map((row) => row.net)], plot);
}

const KINDS = { days, routes };
const drawn = new Map();

function draw(plot) {
  drawn.get(plot)?.destroy();
  drawn.delete(plot);
  plot.replaceChildren();
  const rows = rowsOf(plot);
  // What isn't seen yet has no width, and is drawn when it has.
  if (rows.length > 0 && plot.clientWidth > 0) drawn.set(plot, KINDS[plot.dataset.plot](plot, rows, colours()));
}

for (const plot of document.querySelectorAll("[data-plot]")) {
  draw(plot);
  plot.parentElement.querySelector("details").open = false;
  plot.setAttribute("role", "img");
  const title = plot.parentElement.querySelector("figcaption").textContent;
  plot.setAttribute("aria-label", `${title}: bars, whose numbers stand in the table below`);
  new ResizeObserver(() => {
    if (Math.abs((drawn.get(plot)?.width ?? 0) - plot.clientWidth) > 1) draw(plot);
  }).observe(plot);
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => [...drawn.keys()].forEach(draw));
