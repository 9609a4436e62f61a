# %% [markdown]
# # First look
#
# What is in the store, is it whole, and does it look right? Everything here works on a store with a single month.

# %%
import hashlib
from decimal import Decimal

import duckdb
import polars as pl
import pyarrow.parquet

import store
import style

style.use()
print(f"The store is {store.FOLDER}")

# %% [markdown]
# ## Which editions there are
#
# A period gets a new edition each time its data has changed. Each has a manifest, and what no manifest names doesn't
# exist.

# %%
style.Table(pl.DataFrame([
    {
        "period": manifest["period"],
        "edition": manifest["edition"],
        "tickets": manifest["rows"],
        "cut (UTC)": manifest["cut"]["at"][:19].replace("T", " "),
        "time zone": manifest["time_zone"],
        "controls that fail": ", ".join(c["name"] for c in manifest.get("controls", []) if not c["passed"]) or "none",
    }
    for manifest in store.manifests()
]))

# %% [markdown]
# ## One line loads a table
#
# All months of it, the newest edition of each; `month` comes from the folder's name. Polars reads nothing at this
# point: a `scan` looks later, and only at what the question needs. Amounts of different currencies are never added
# together, so every question names the currency.

# %%
months = store.months()
tickets = pl.scan_parquet(f"{store.FOLDER}/snapshots/tickets/")

gross = tickets.group_by("month", "ticket_currency").agg(pl.sum("ticket_price")).collect()
style.Table(gross.sort("ticket_currency").pivot("ticket_currency", index="month", values="ticket_price").sort("month"))

# %% [markdown]
# Gross sales by month, then; and in SQL, of all months:

# %%
style.Table(duckdb.sql(f"""
    SELECT ticket_currency, count(*) AS tickets, sum(ticket_price) AS gross_sales
    FROM '{store.FOLDER}/snapshots/tickets/*/*.parquet'
    GROUP BY ticket_currency
    ORDER BY tickets DESC
""").pl())


# %% [markdown]
# ## Is it whole?
#
# The manifest names the size and the SHA-256 of each file. A file that was cut, changed or mixed up doesn't have it.

# %%
def sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def damaged():
    """Files that aren't what their manifest says, and how many were looked at."""
    wrong, seen = [], 0
    for manifest in store.manifests():
        shown = months.get(manifest["period"]) == manifest
        for table, file in store.files(manifest).items():
            paths = [store.folder(manifest) / f"{table}.parquet"]
            if shown:
                paths.append(store.FOLDER / "snapshots" / table / f"month={manifest['period']}" / "part-0.parquet")
            for path in paths:
                seen += 1
                if not path.exists() or sha256(path) != file["sha256"]:
                    wrong.append(f"{path} is missing or damaged")
        if (workbook := store.workbook(manifest)) is not None:
            seen += 1
            if sha256(workbook) != manifest["workbook"]["sha256"]:
                wrong.append(f"{workbook} is not what was published; somebody may have saved it again")
    return wrong, seen


wrong, seen = damaged()
assert not wrong, "\n".join(wrong)
print(f"{seen} files, all of them as published")

# %% [markdown]
# And the rows in them? Counts and sums of each table, month and currency must be those of the manifest, to the cent.

# %%
MONEY = {
    "tickets": ("ticket_currency", "ticket_price"),
    "bookings": ("currency", "total_amount"),
    "payments": ("currency", "amount"),
    "refunds": ("currency", "amount"),
}


def totals(table, currency, amount):
    """Rows and sum of each month and currency."""
    sums = pl.scan_parquet(f"{store.FOLDER}/snapshots/{table}/").group_by("month", currency).agg(
        pl.len(), pl.sum(amount)
    )
    return {(month, code): (rows, total) for month, code, rows, total in sums.collect().iter_rows()}


checked = []
for table, (currency, amount) in MONEY.items():
    published = {
        (month, code): (of["rows"], Decimal(of["amount"]))
        for month, manifest in months.items()
        for code, of in manifest["tables"][table].get("totals", {}).items()
    }
    store.must_be(table, totals(table, currency, amount), published)
    checked.append({"table": table, "rows": sum(rows for rows, _ in published.values()), "sums": len(published)})
style.Table(pl.DataFrame(checked))

# %% [markdown]
# ## What the columns mean
#
# Each Parquet file says it itself.

# %%
schema = pyarrow.parquet.read_schema(next(store.FOLDER.glob("snapshots/tickets/*/*.parquet")))
style.Table(pl.DataFrame([
    {"column": field.name, "type": str(field.type), "meaning": (field.metadata or {}).get(b"description", b"").decode()}
    for field in schema
]))

# %% [markdown]
# ## What is empty
#
# Only columns in which something is missing. Most of it is in the nature of things: few tickets are refunded, and a
# ticket without a seat has no carriage either.

# %%
empty = tickets.select(pl.all().null_count()).collect().unpivot(variable_name="column", value_name="empty")
share = (100 * pl.col("empty") / tickets.select(pl.len()).collect().item()).alias("% of tickets")
style.Table(empty.filter(pl.col("empty") > 0).with_columns(share).sort("empty", descending=True))

# %% [markdown]
# ## Does it look right?
#
# A month that was cut short, or a day that is missing, shows here before it spoils anything else.

# %%
names = list(months)
counts = [months[name]["rows"] for name in names]
best = max(range(len(names)), key=counts.__getitem__)
sold = [count for count in counts if count]

fig, ax = style.figure(3.8)
colours = [style.DARK if place == best else style.LIGHT for place in range(len(names))]
ax.bar(range(len(names)), counts, width=0.75, color=colours)
for place, count in enumerate(counts):
    if len(names) <= 16:
        ax.text(place, count, f"{count:,}", ha="center", va="bottom", fontsize=9)
style.month_ticks(ax, names)
style.grouped(ax.yaxis)
ax.set_ylabel("Tickets issued")
ax.grid(axis="y")
finding = f"{style.month(names[best])} has the most tickets: {counts[best]:,}"
if len(sold) > 1:
    finding += f", {style.compared(counts[best], sum(sold) / len(sold))} the average month"
style.say(fig, finding, "Tickets by the month in which they were issued, whatever their currency")

# %%
zone = store.month()["time_zone"]
issued = pl.col("issued_at").dt.convert_time_zone(zone).dt.date().alias("day")
found = tickets.group_by(issued).len().collect()
# Days without a ticket have no row of their own; an empty month is no gap.
days = pl.DataFrame({"day": [day for name in names if months[name]["rows"] for day in store.days(name)]})
days = days.join(found, on="day", how="left", maintain_order="left").fill_null(0)
run = (pl.col("day").diff() > pl.duration(days=1)).fill_null(False).cum_sum()
days = days.with_columns(pl.col("len").rolling_mean(7, center=True).over(run).alias("week"))
gaps = days.filter(pl.col("len") == 0)["day"].to_list()

fig, ax = style.figure(3.8)
ax.plot(days["day"], days["len"], ".", markersize=4, color=style.LIGHT)
ax.plot(days["day"], days["week"], color=style.DARK, linewidth=2)
if gaps:
    ax.plot(gaps, [0] * len(gaps), "|", markersize=14, color=style.MARK, clip_on=False)
ax.set_ylim(0)
ax.set_ylabel("Tickets issued a day")
ax.grid(axis="y")
busiest = days.row(days["len"].arg_max(), named=True)
ax.annotate(
    f"{style.day(busiest['day'])}: {busiest['len']:,}", (busiest["day"], busiest["len"]),
    xytext=(0, 8), textcoords="offset points", ha="center", fontsize=9,
)
ax.margins(x=0.02, y=0.12)
style.dates(ax)
finding = "No day is without tickets"
if gaps:
    finding = f"{len(gaps)} days are without tickets, the first is {style.day(gaps[0])}"
style.say(
    fig, f"{finding}, and there are up to {busiest['len']:,}",
    f"A dot is a day on the clock of {zone}; the line is the mean of seven days",
)
