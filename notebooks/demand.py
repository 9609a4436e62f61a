# %% [markdown]
# # Demand
#
# How long before they travel do people buy, and what is already sold for the time to come? Each ticket that was issued
# counts, whatever became of it and whatever its currency: this is about demand, not about money.

# %%
import datetime
import math

import duckdb
import polars as pl

import store
import style

style.use()

MONTH = None  # for example "2025-11"; None is the newest one in which tickets were sold

months = store.months()
manifest = store.month(MONTH)
month, zone = manifest["period"], manifest["time_zone"]
print(f"{style.month(month)}, edition {manifest['edition']}, days and hours on the clock of {zone}")

# %% [markdown]
# ## From issue to departure
#
# A ticket was issued at an instant, but its train departs by the station's own clock, so the trip says in which time
# zone that is. `AT TIME ZONE` makes an instant of it, and the difference of two instants is what we want. A trip is in
# the table of each month in which tickets for it were issued: the month belongs to the join.

# %%
lead = duckdb.sql(f"""
    SELECT
        tickets.month,
        issued_at,
        fare_seat_class AS class,
        service_date,
        epoch((service_date + departure_time) AT TIME ZONE departure_time_zone - issued_at) / 86400 AS days
    FROM '{store.FOLDER}/snapshots/tickets/*/*.parquet' AS tickets
    JOIN (
        SELECT month, trip_id, departure_time_zone FROM '{store.FOLDER}/snapshots/trips/*/*.parquet'
    ) AS trips USING (month, trip_id)
    ORDER BY issued_at, ticket_ref
""").pl()
assert len(lead) == sum(m["rows"] for m in months.values()), "a ticket has lost its trip, or found two"
after = lead.filter(pl.col("days") < 0)
print(f"{len(lead):,} tickets; {len(after):,} of them were issued after their trains had left")


# %% [markdown]
# ## The booking curve
#
# Of all tickets issued in a month we know when their trains depart, so this curve is complete even for a store with one
# month. It needs no tickets of other months, as a curve by day of travel would.

# %%
def curve(days, at):
    """Which share of the tickets, in percent, was issued at least so many days before departure."""
    days = days.sort()
    return [100 * (len(days) - days.search_sorted(limit)) / len(days) for limit in at]


horizon = math.ceil(lead["days"].quantile(0.999))
at = [day / 2 for day in range(2 * horizon + 1)]
half = lead["days"].median()
by_month = {name[0]: frame["days"] for name, frame in lead.group_by("month") if len(frame) >= 100}

fig, ax = style.figure(4.2)
for days in by_month.values():
    ax.plot(at, curve(days, at), color=style.LIGHT, linewidth=1)
ax.plot(at, curve(lead["days"], at), color=style.DARK, linewidth=2.4)
ax.plot([horizon, half, half], [50, 50, 0], color=style.MARK, linewidth=1.2, linestyle=(0, (4, 3)))
ax.annotate(
    f"half are sold,\n{half:.0f} days to go", (half, 50), (-10, 8), textcoords="offset points", ha="right", fontsize=9
)
last = 7 if horizon > 14 else horizon / 4
late = 100 - curve(lead["days"], [last])[0]
ax.annotate(
    f"{late:.0f} % are still to come\nin the last {last:.0f} days", (last, 100 - late), (10, -4),
    textcoords="offset points", ha="left", va="top", fontsize=9,
)
ax.plot(last, 100 - late, "o", color=style.DARK, markersize=7)
ax.set_xlim(horizon, 0)
ax.set_ylim(0, 101)
ax.set_xlabel("Days before departure")
ax.set_ylabel("Tickets issued so far, %")
ax.grid()
finding = f"Half of the tickets are issued in the last {half:.0f} days, {late:.0f} % in the last {last:.0f}"
style.say(fig, finding, f"All {len(lead):,} tickets; the light lines are single months of issue")

# %% [markdown]
# ## Who books early?

# %%
WEEKDAYS = ["on Mondays", "on Tuesdays", "on Wednesdays", "on Thursdays", "on Fridays", "on Saturdays", "on Sundays"]


def spread(by):
    """Quartiles of the lead time by a column, of groups that are large enough to have any."""
    quartiles = [pl.col("days").quantile(part).alias(name) for part, name in ((0.25, "q1"), (0.5, "q2"), (0.75, "q3"))]
    found = lead.group_by(by.alias("key")).agg(pl.len(), *quartiles)
    return found.filter(pl.col("len") >= 20).drop_nulls("key").sort("key")


classes = spread(pl.col("class")).sort("q2", descending=True).rows()
departing = [(WEEKDAYS[key - 1], *rest) for key, *rest in spread(pl.col("service_date").dt.weekday()).iter_rows()]
groups = [("all tickets", len(lead), *(lead["days"].quantile(part) for part in (0.25, 0.5, 0.75)))]
groups += [*classes, *departing]
breaks = {1, 1 + len(classes)}

places = [n + 0.6 * sum(n >= first for first in breaks) for n in range(len(groups))]
fig, ax = style.figure(0.9 + 0.33 * len(groups))
for place, (_, _, q1, q2, q3) in zip(places, groups):
    ax.plot([q1, q3], [place, place], color=style.LIGHT, linewidth=7, solid_capstyle="butt")
    ax.plot(q2, place, "o", color=style.DARK, markersize=8)
    ax.annotate(f"{q2:.1f}", (q3, place), (7, 0), textcoords="offset points", va="center", fontsize=9)
ax.set_yticks(places, [name for name, *_ in groups])
ax.set_ylim(places[-1] + 0.6, -0.6)
ax.set_xlim(0)
ax.tick_params(axis="y", length=0)
ax.spines["left"].set_visible(False)
ax.set_xlabel("Days from issue to departure")
ax.grid(axis="x")
early, late = max(groups, key=lambda group: group[3]), min(groups, key=lambda group: group[3])
if early[3] - late[3] < half / 5:
    finding = f"Lead times hardly differ: medians lie between {late[3]:.1f} and {early[3]:.1f} days"
else:
    finding = f"Booked earliest: {early[0]}, {early[3]:.1f} days ahead; latest: {late[0]}, {late[3]:.1f}"
style.say(
    fig, finding,
    "By class and by weekday of departure: a bar holds the middle half of the tickets, dot and number are the median",
)

# %% [markdown]
# ## On the books
#
# How much of a month's travel was sold before the month began? That can only be said where the store reaches far enough
# back: of a month too early, the first tickets are missing.

# %%
held = list(months)
ahead = math.ceil(lead["days"].quantile(0.99))


def next_month(name, months=1):
    year, number = divmod(int(name[:4]) * 12 + int(name[5:]) - 1 + months, 12)
    return f"{year}-{number + 1:02}"


def known_before(name):
    """Whether the store holds the months in which the tickets for a month's travel were issued before it began."""
    needed = [next_month(name, -back) for back in range(1, 2 + (ahead - 1) // 28)]
    first = store.days(name)[0] - datetime.timedelta(days=ahead)
    return all(needs in held for needs in needed if store.days(needs)[-1] >= first)


issued_on = pl.col("issued_at").dt.convert_time_zone(zone).dt.date()
travel = lead.select(
    pl.col("service_date").dt.strftime("%Y-%m").alias("travel"),
    (issued_on < pl.col("service_date").dt.month_start()).alias("before"),
)
travel = travel.group_by("travel").agg(pl.col("before").sum(), pl.len().alias("all")).sort("travel")
coming = next_month(held[-1])
shown = [row for row in travel.iter_rows() if known_before(row[0]) and row[0] <= coming][-13:]
past = [before for name, before, _ in shown if name != coming]

if len(shown) < 2 or shown[-1][0] != coming:
    print(
        f"Tickets are issued up to {ahead} days ahead, so this needs at least {2 + (ahead - 1) // 28} months in a row,"
        f" the newest one included. The store has {', '.join(held)}."
    )
else:
    fig, ax = style.figure(4)
    for place, (name, before, every) in enumerate(shown):
        ax.bar(place, before, color=style.DARK, width=0.75)
        ax.text(place, before / 2, f"{before:,}", color="white", ha="center", va="center", fontsize=9)
        if name != coming:
            ax.bar(place, every - before, bottom=before, color=style.LIGHT, width=0.75)
            ax.text(place, every, f"{100 * before / every:.0f} %", ha="center", va="bottom", fontsize=9)
    ax.axhline(sum(past) / len(past), color=style.MARK, linewidth=1.2, linestyle=(0, (4, 3)))
    style.month_ticks(ax, [name for name, *_ in shown])
    ax.set_xlabel("Month of travel")
    ax.set_ylabel("Tickets")
    ax.grid(axis="y")
    style.grouped(ax.yaxis)
    begun = shown[-1][1]
    than_usual = style.compared(begun, sum(past) / len(past), "fewer")
    finding = f"{style.month(coming)} begins with {begun:,} tickets, {than_usual} an average month"
    style.say(
        fig, finding,
        "Dark: issued before the month of travel began, and which share of the whole that was; light: issued in the"
        " month itself; the dashed line is the mean of the dark parts of the months that are over",
    )

# %% [markdown]
# ## When do people buy?

# %%
recent = [name for name in held if months[name]["rows"]][-12:]
moment = pl.col("issued_at").dt.convert_time_zone(zone)
hours = lead.filter(pl.col("month").is_in(recent)).group_by(
    moment.dt.weekday().alias("weekday"), moment.dt.hour().alias("hour")
).len()
found = {(weekday, hour): count for weekday, hour, count in hours.iter_rows()}
every = [day.isoweekday() for name in recent for day in store.days(name)]
rows = [[found.get((weekday, hour), 0) / every.count(weekday) for hour in range(24)] for weekday in range(1, 8)]
weekday, hour = max(((w, h) for w in range(7) for h in range(24)), key=lambda place: rows[place[0]][place[1]])

fig, ax = style.figure(3.3)
# Where there are few, a rounded number says nothing.
many = rows[weekday][hour] >= 3
style.heat(
    ax, rows, [name.split()[1] for name in WEEKDAYS], lambda count: f"{count:.0f}" if many and count >= 0.5 else ""
)
ax.set_xticks([place + 0.5 for place in range(24)], range(24))
ax.set_xlabel(f"Hour of issue, on the clock of {zone}")
over = "the last 12 months" if len(recent) == 12 else style.listed(map(style.month, recent))
style.say(
    fig, f"Most tickets are issued {WEEKDAYS[weekday]} between {hour} and {hour + 1} o'clock",
    f"Tickets an hour, on average over {over}",
)
