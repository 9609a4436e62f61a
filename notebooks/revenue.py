# %% [markdown]
# # Revenue
#
# On which days, routes and classes was it sold, and how does the year go? Net sales are the prices of the tickets
# issued less what was refunded for them. Amounts are of one currency, the one with the most tickets, unless a table
# says more.

# %%
from calendar import month_abbr
from decimal import Decimal

import duckdb
import polars as pl

import store
import style

style.use()

MONTH = None  # for example "2025-11"; None is the newest one in which tickets were sold

manifest = store.month(MONTH)
month, zone = manifest["period"], manifest["time_zone"]
codes = store.currencies(manifest)
currency = codes[0]
print(f"{style.month(month)}, edition {manifest['edition']}, {currency}, days on the clock of {zone}")

# %%
tickets = pl.scan_parquet(f"{store.FOLDER}/snapshots/tickets/").with_columns(
    (pl.col("ticket_price") - pl.col("refunded_amount").fill_null(Decimal(0))).alias("net"),
    pl.col("issued_at").dt.convert_time_zone(zone).dt.date().alias("day"),
)
sold = tickets.filter(pl.col("month") == month, pl.col("ticket_currency") == currency).collect()


def net_sales(*by):
    """Net sales of the month by one or more columns."""
    return sold.group_by(*by).agg(pl.len().alias("tickets"), pl.sum("net")).sort("net", descending=True)


# %% [markdown]
# The figures of the workbook, for each currency. They must be the same, to the cent, or all that follows is worth
# nothing.

# %%
ours = duckdb.sql(f"""
    SELECT
        ticket_currency,
        count(*) AS tickets,
        sum(ticket_price) AS gross,
        coalesce(sum(refunded_amount), 0) AS refunds
    FROM '{store.FOLDER}/snapshots/tickets/*/*.parquet'
    WHERE month = '{month}'
    GROUP BY ticket_currency
    ORDER BY tickets DESC, ticket_currency
""").pl()
published = {code: of["sales"] for code, of in manifest["summary"]["currencies"].items() if of["sales"]["tickets"]}
store.must_be(
    "tickets, gross sales and refunds",
    {code: tuple(figures) for code, *figures in ours.iter_rows()},
    {code: (of["tickets"], Decimal(of["gross"]), Decimal(of["refunds"])) for code, of in published.items()},
)
style.Table(ours.with_columns((pl.col("gross") - pl.col("refunds")).alias("net")))


# %%
def agrees(part, key, found):
    """Net sales by a key must be those of the sheet that shows them."""
    published = {
        tuple(line[name] for name in key): Decimal(line["gross"]) - Decimal(line["refunds"])
        for line in manifest["summary"]["currencies"][currency][part]
    }
    store.must_be(part.replace("_", " "), found, published)


by_day = net_sales("day").sort("day")
agrees("by_day", ["day"], {(str(day),): net for day, _, net in by_day.iter_rows()})
by_class = net_sales("fare_code", "fare_seat_class")
agrees("by_fare", ["fare", "class"], {(fare, seat): net for fare, seat, _, net in by_class.iter_rows()})

# %% [markdown]
# ## By day

# %%
WEEKDAYS = ["Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays"]

# A day without sales is a day all the same.
by_day = pl.DataFrame({"day": store.days(month)}).join(by_day, on="day", how="left", maintain_order="left").fill_null(0)
weekdays = by_day.group_by(pl.col("day").dt.weekday().alias("weekday")).agg(pl.col("net").cast(float).mean())
weekdays = weekdays.sort("net", "weekday")
worst, best = weekdays.row(0), weekdays.row(-1)
mean = sum(style.numbers(by_day["net"])) / len(by_day)
weekend = (by_day["day"].dt.weekday() >= 6).to_list()

fig, ax = style.figure(3.8)
ax.bar(by_day["day"].dt.day(), style.numbers(by_day["net"]), color=[style.LIGHT if w else style.DARK for w in weekend])
ax.axhline(mean, color=style.MARK, linewidth=1.2, linestyle=(0, (4, 3)))
ax.annotate(
    f"mean\n{mean:,.0f}", (1, mean), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points",
    va="center", fontsize=9,
)
ax.set_xticks([1, *range(5, 31, 5)])
ax.set_xlabel(f"Day of {style.month(month)}")
ax.set_ylabel(f"Net sales, {currency}")
ax.margins(x=0.01)
ax.grid(axis="y")
style.grouped(ax.yaxis)
finding = f"{WEEKDAYS[best[0] - 1]} bring {best[1]:,.0f} {currency} on average"
if best[0] != worst[0]:
    finding += f", {WEEKDAYS[worst[0] - 1]} {worst[1]:,.0f}"
style.say(fig, finding, "Net sales by the day on which tickets were issued; weekends are lighter")

# %% [markdown]
# ## By route

# %%
names = pl.scan_parquet(f"{store.FOLDER}/snapshots/trips/").filter(pl.col("month") == month).select(
    "trip_id", "route_name"
)
sold = sold.join(names.collect(), on="trip_id", how="left")
routes = net_sales("route_code", "route_name")
agrees("by_route", ["route", "name"], {(code, name): net for code, name, _, net in routes.iter_rows()})

first, all_net = routes.head(12), style.numbers(routes["net"])
shares = [100 * net / sum(all_net) for net in all_net]

fig, ax = style.figure(0.7 + 0.34 * len(first))
style.bars(
    ax,
    [name or code for code, name in first.select("route_code", "route_name").iter_rows()],
    all_net[:12],
    [f"{net:,.0f}  ({share:.1f} %)" for net, share in zip(all_net[:12], shares)],
    f"Net sales, {currency}",
)
rest = len(routes) - len(first)
if rest:
    finding = f"{len(first)} of {len(routes)} routes bring {sum(shares[:12]):.0f} % of net sales"
    shown = f"{style.month(month)}; the other {rest} routes come to {sum(all_net[12:]):,.0f} {currency} together"
else:
    finding = f"{first['route_name'][0]} brings the most: {shares[0]:.0f} % of net sales"
    shown = f"{style.month(month)}, all routes"
style.say(fig, finding, shown)

# %% [markdown]
# ## By class

# %%
classes = net_sales("fare_seat_class").with_columns(pl.col("fare_seat_class").fill_null("no fare"))
of_tickets = [100 * count / sum(classes["tickets"]) for count in classes["tickets"]]
of_sales = [100 * net / sum(style.numbers(classes["net"])) for net in style.numbers(classes["net"])]
dear = [n for n in range(len(classes)) if of_sales[n] > of_tickets[n] and classes["fare_seat_class"][n] != "no fare"]

fig, ax = style.figure(0.9 + 0.5 * len(classes))
for place, (count, net) in enumerate(zip(of_tickets, of_sales)):
    ax.plot([count, net], [place, place], color=style.LIGHT, linewidth=4, zorder=1)
    ax.plot(count, place, "o", markersize=9, color="white", markeredgecolor=style.DARK, markeredgewidth=2)
    ax.plot(net, place, "o", markersize=10, color=style.DARK)
    left, right = sorted([(count, f"{count:.1f} %"), (net, f"{net:.1f} %")])
    for (share, text), away, side in ((left, -9, "right"), (right, 9, "left")):
        ax.annotate(text, (share, place), (away, 0), textcoords="offset points", ha=side, va="center", fontsize=9)
ax.set_yticks(range(len(classes)), classes["fare_seat_class"])
ax.set_ylim(len(classes) - 0.5, -0.6)
ax.set_xlim(-4, max(of_tickets + of_sales) + 6)
ax.tick_params(axis="y", length=0)
ax.spines["left"].set_visible(False)
ax.set_xlabel("Share, %")
ax.grid(axis="x")
if dear:
    few, much = (sum(of[n] for n in dear) for of in (of_tickets, of_sales))
    finding = f"{style.listed(classes['fare_seat_class'][n] for n in dear).capitalize()}: "
    finding += f"{few:.0f} % of the tickets, {much:.0f} % of the money"
else:
    finding = "No class brings a greater share of the money than of the tickets"
shown = f"{style.month(month)}, {currency}: a ring is the share of tickets, a dot the share of net sales"
style.say(fig, finding, shown)

# %% [markdown]
# ## The year
#
# Months are compared by the day, as they aren't equally long.

# %%
daily = tickets.filter(pl.col("ticket_currency") == currency).group_by("month", "day").agg(pl.sum("net")).collect()
months = sorted(set(daily["month"]))
calendar = pl.concat([pl.DataFrame({"month": name, "day": store.days(name)}) for name in months])
daily = calendar.join(daily, on=["month", "day"], how="left").with_columns(pl.col("net").cast(float).fill_null(0))
a_day = dict(daily.group_by("month").agg(pl.mean("net")).sort("month").iter_rows())

years = sorted({name[:4] for name in months})
fig, ax = style.figure(4)
for age, year in enumerate(reversed(years)):
    points = [(int(name[5:]), net) for name, net in a_day.items() if name[:4] == year]
    colour, dashes = (style.DARK, "-") if age == 0 else (style.QUIET, (0, (1 + 2 * age, 1.5)))
    ax.plot(*zip(*points), marker="o", color=colour, linestyle=dashes, linewidth=2.2 if age == 0 else 1.4)
    ax.annotate(year, points[-1], (0, 9), textcoords="offset points", ha="center", color=colour, fontweight="bold")
ax.set_xticks(range(1, 13), month_abbr[1:])
ax.set_xlim(0.6, 12.4)
ax.set_ylim(0, max(a_day.values()) * 1.15)
ax.set_xlabel("Month of issue")
ax.set_ylabel(f"Net sales a day, {currency}")
ax.grid(axis="y")
style.grouped(ax.yaxis)
low, high = min(a_day, key=a_day.get), max(a_day, key=a_day.get)
before = f"{int(month[:4]) - 1}{month[4:]}"
finding = f"{style.month(high)} sold {style.compared(a_day[high], a_day[low])} {style.month(low)}"
shown = "Net sales a day; each line is a year"
if len(months) == 1:
    finding = f"{style.month(month)} sold {a_day[month]:,.0f} {currency} a day; a season needs more months than one"
elif before in a_day and month in a_day:
    shown += f". {style.month(month)} sold {style.compared(a_day[month], a_day[before])} a year before"
style.say(fig, finding, shown)

# %%
shown = months[-13:]
cells = daily.group_by("month", pl.col("day").dt.weekday().alias("weekday")).agg(pl.mean("net"))
cells = {(name, weekday): net for name, weekday, net in cells.iter_rows()}
rows = [[cells[name, weekday] for name in shown] for weekday in range(1, 8)]
best = [max(range(7), key=lambda weekday: rows[weekday][place]) for place in range(len(shown))]
usual = max(set(best), key=best.count)

if len(shown) == 1:
    print("Whether the weekdays' pattern holds through the year takes more months than one.")
else:
    fig, ax = style.figure(3.6)
    style.heat(ax, rows, WEEKDAYS, lambda net: f"{net / 1000:.1f}")
    style.month_ticks(ax, shown, 0.5)
    style.say(
        fig, f"{WEEKDAYS[usual]} sell best in {best.count(usual)} of {len(shown)} months",
        f"Net sales a day by weekday and month of issue, thousand {currency}; the darker, the more",
    )
