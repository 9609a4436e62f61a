"""How the notebooks' plots and tables look: dark on white, grey in print, the finding as the title."""

import calendar
import html
import textwrap
from decimal import Decimal

import matplotlib.pyplot as plt
import polars as pl
from matplotlib.dates import MonthLocator, num2date
from matplotlib.ticker import FuncFormatter

# Far enough apart in lightness to be told from each other without colour.
DARK, MARK, LIGHT = "#1f4e79", "#d9741a", "#b3c8dc"
INK, QUIET, GRID = "#1d2126", "#5d6670", "#e3e6ea"

# From nearly white to DARK, for heat maps.
SHADES = plt.matplotlib.colors.LinearSegmentedColormap.from_list("shades", ["#f4f7fa", LIGHT, "#5c8ab5", DARK])


def use():
    """Sets the look of all that follows."""
    plt.rcParams.update({
        "figure.figsize": (9, 4.2),
        "figure.dpi": 100,
        "font.size": 10,
        "text.color": INK,
        "axes.edgecolor": QUIET,
        "axes.labelcolor": QUIET,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.prop_cycle": plt.cycler(color=[DARK, MARK, LIGHT]),
        "grid.color": GRID,
        "xtick.color": QUIET,
        "ytick.color": QUIET,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "lines.solid_capstyle": "round",
        # Without it each run would give the drawing other names inside.
        "svg.hashsalt": "ticketing-report",
    })
    try:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        get_ipython()
        set_matplotlib_formats("svg", metadata={"Date": None})
    except (ImportError, NameError):
        # A plain script shows nothing inline.
        pass


class Table:
    """A frame to be read by people: texts on the left, numbers on the right with their thousands apart."""

    def __init__(self, frame):
        self.frame = frame

    def _repr_html_(self):
        def line(tag, cells):
            made = (
                f'<{tag} style="text-align: {"right" if type_.is_numeric() else "left"}">{html.escape(text)}</{tag}>'
                for text, type_ in zip(cells, self.frame.dtypes)
            )
            return f"<tr>{''.join(made)}</tr>"

        def text(value):
            if isinstance(value, float):
                return f"{value:,.1f}"
            return f"{value:,}" if isinstance(value, (int, Decimal)) else "" if value is None else str(value)

        body = "".join(line("td", map(text, row)) for row in self.frame.iter_rows())
        return f"<table><thead>{line('th', self.frame.columns)}</thead><tbody>{body}</tbody></table>"

    def __repr__(self):
        return repr(self.frame)


def figure(height=4.2, width=9, **axes):
    """A figure and its axes."""
    return plt.subplots(figsize=(width, height), layout="constrained", **axes)


def say(fig, finding, shown):
    """The finding as the title, what is shown below it, and then the figure itself."""
    width, height = fig.get_size_inches()
    title = textwrap.fill(finding, int(width * 9.2))
    below = textwrap.fill(shown, int(width * 13.2))
    top = 0.12 + 0.23 * (title.count("\n") + 1)
    room = top + 0.08 + 0.19 * (below.count("\n") + 1) + 0.02
    fig.set_size_inches(width, height + room - 0.6)
    height = fig.get_size_inches()[1]
    fig.get_layout_engine().set(rect=(0, 0, 1, 1 - room / height))
    fig.text(0.1 / width, 1 - 0.1 / height, title, va="top", fontsize=13, fontweight="bold", linespacing=1.15)
    fig.text(0.1 / width, 1 - top / height, below, va="top", color=QUIET, linespacing=1.2)
    plt.show()
    plt.close(fig)


def numbers(column):
    """A column of amounts as floats: for plotting and for means that are plotted, and for nothing else."""
    return column.cast(pl.Float64).to_list()


def grouped(axis, decimals=0):
    """Numbers of an axis with their thousands apart."""
    axis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,.{decimals}f}"))


def month(text):
    """`2025-11` as November 2025; a period that is no month as it is."""
    if len(text) != len("2025-11"):
        return text
    year, number = text.split("-")
    return f"{calendar.month_name[int(number)]} {year}"


def day(date):
    """A date as 4 July 2025."""
    return f"{date.day} {calendar.month_name[date.month]} {date.year}"


def month_ticks(ax, months, offset=0.0):
    """Short names of months below their places, each year under its first one."""
    labels = []
    for place, text in enumerate(months):
        year, number = text.split("-")
        first = place == 0 or months[place - 1][:4] != year
        labels.append(calendar.month_abbr[int(number)] + (f"\n{year}" if first else ""))
    # More than about 24 names run into each other.
    step = -(-len(months) // 24)
    ax.set_xticks([place + offset for place in range(0, len(months), step)], labels[::step])


def dates(ax):
    """An axis of days: months by their short names, each year under its first one."""
    low, high = (num2date(number) for number in ax.get_xlim())
    months = (high.year - low.year) * 12 + high.month - low.month
    if months < 3:
        ax.xaxis.set_major_formatter(FuncFormatter(lambda number, _: day(num2date(number)).rsplit(" ", 1)[0]))
        return
    ax.xaxis.set_major_locator(MonthLocator(interval=-(-months // 14)))
    seen = set()

    def name(number, place):
        if place == 0:
            seen.clear()
        day = num2date(number)
        label = calendar.month_abbr[day.month] + ("" if day.year in seen else f"\n{day.year}")
        seen.add(day.year)
        return label

    ax.xaxis.set_major_formatter(FuncFormatter(name))


def listed(words):
    """Words in a row: a, b and c."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def compared(new, old, less="less"):
    """How much more or less than before, in words; of what can be counted there is `fewer`."""
    change = round(100 * (new / old - 1))
    return "as much as" if change == 0 else f"{abs(change)} % {'more' if change > 0 else less} than"


def bars(ax, names, numbers, texts, unit, ends=None):
    """Bars from left to right with their names and, at their ends, what they come to; `ends` are parts of the bars."""
    places = range(len(names))
    ax.barh(places, numbers, color=DARK, height=0.7)
    if ends:
        ax.barh(places, ends, left=[number - end for number, end in zip(numbers, ends)], color=MARK, height=0.7)
    for place, number, text in zip(places, numbers, texts):
        ax.text(number, place, f" {text}", va="center", fontsize=9)
    ax.set_yticks(places, names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.margins(x=0.16)
    ax.grid(axis="x")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.xaxis.get_major_locator().set_params(integer=True)
    grouped(ax.xaxis)
    ax.set_xlabel(unit)


def heat(ax, rows, names, text):
    """A heat map of rows of numbers, None where there is none; `text` makes a number a cell's label."""
    known = [number for row in rows for number in row if number is not None]
    low, high = min(known), max(known)
    shades = [[float("nan") if number is None else number for number in row] for row in rows]
    ax.pcolormesh(shades, cmap=SHADES, vmin=low, vmax=high, edgecolors="white", linewidth=1.5)
    for y, row in enumerate(rows):
        for x, number in enumerate(row):
            if number is not None and (label := text(number)):
                dark = high > low and (number - low) / (high - low) > 0.66
                ax.text(x + 0.5, y + 0.5, label, ha="center", va="center", fontsize=8, color="white" if dark else INK)
    ax.invert_yaxis()
    ax.set_yticks([y + 0.5 for y in range(len(names))], names)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def bridge(ax, lines, unit):
    """Levels and the differences that lead from one to the next, from top to bottom.

    A line is a label, an amount, and whether that is a level. The axis doesn't begin at nought, as the differences
    would be too small to see, so that levels are marks and not bars whose length would mean something.
    """
    at, ends = 0.0, []
    for y, (_, amount, level) in enumerate(lines):
        if level:
            at = amount
            ends.append(at)
            ax.plot([at, at], [y - 0.38, y + 0.38], color=INK, linewidth=3.5, solid_capstyle="butt")
        else:
            ax.barh(y, amount, left=at, height=0.62, color=DARK if amount > 0 else MARK)
            ends += [at, at + amount]
            at += amount
        if y + 1 < len(lines):
            ax.plot([at, at], [y, y + 1], color=QUIET, linewidth=0.7, zorder=0)
    room = (max(ends) - min(ends)) or 1
    at = 0.0
    for y, (_, amount, level) in enumerate(lines):
        right = amount if level else max(at, at + amount)
        text = f"{amount:,.2f}" if level else f"{amount:+,.2f}".replace("-", "−")
        ax.text(right + room * 0.015, y, text, va="center", fontsize=9, fontweight="bold" if level else "normal")
        at = amount if level else at + amount
    ax.set_xlim(min(ends) - room * 0.04, max(ends) + room * 0.22)
    ax.set_yticks(range(len(lines)), [label for label, *_ in lines])
    for label, (*_, level) in zip(ax.get_yticklabels(), lines):
        label.set_fontweight("bold" if level else "normal")
    ax.set_ylim(len(lines) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")
    grouped(ax.xaxis, 2 if room < 10 else 0)
    ax.set_xlabel(f"{unit}; the axis doesn't begin at 0")
