# %% [markdown]
# # Changes
#
# What is different between two editions of a period: which tickets came, went and changed, in which columns, and what
# that does to net sales? The counts and sums must be those that the manifest has for the sheet `Changes`.

# %%
from decimal import Decimal

import polars as pl

import store
import style

style.use()

PERIOD = None  # for example "2025-10"; None is the newest period of which two editions can be compared

known = {(m["period"], m["edition"]): m for m in store.manifests()}
# An earlier edition may have been removed since.
pairs = [
    (known[m["period"], m["changes"]["edition"]], m)
    for m in known.values()
    if m.get("changes") and (m["period"], m["changes"]["edition"]) in known and PERIOD in (None, m["period"])
]
before, after = pairs[-1] if pairs else (None, None)
if after:
    period = style.month(after["period"])
    editions = f"edition {before['edition']} to edition {after['edition']}"
    print(f"{period}, {editions}; their cuts are of {before['cut']['at'][:19]} and {after['cut']['at'][:19]} (UTC)")
else:
    of = f"the period {PERIOD}" if PERIOD else "any period"
    print(
        f"The store has no two editions of {of} to compare, so nothing follows. A second one is made when a period is"
        " reported again and its data has changed; two that the program had different columns for aren't compared."
    )

# %% [markdown]
# ## Which tickets
#
# Tickets are told apart as the program tells them: by the day and time of departure and the reference. A ticket whose
# train was moved is gone from its old place and new in another one.

# %%
KEY = ["service_date", "departure_time", "ticket_ref"]


def tickets(manifest):
    """An edition's tickets, with their net sales."""
    frame = pl.read_parquet(store.folder(manifest) / "tickets.parquet")
    return frame.with_columns((pl.col("ticket_price") - pl.col("refunded_amount").fill_null(Decimal(0))).alias("net"))


if after:
    old, new = tickets(before), tickets(after)
    added = new.join(old, on=KEY, how="anti")
    removed = old.join(new, on=KEY, how="anti")
    both = old.join(new, on=KEY, how="inner", suffix=" after", validate="1:1")
    columns = [name for name in old.columns if name not in [*KEY, "net"]]
    # Two that are missing are equal.
    differs = [pl.col(name).ne_missing(pl.col(f"{name} after")) for name in columns]
    changed = both.filter(pl.any_horizontal(differs))

    found = {"added": len(added), "removed": len(removed), "changed": len(changed)}
    assert found == {name: after["changes"][name] for name in found}, f"{found} isn't what the manifest says"
    moved = added.select("ticket_ref").join(removed, on="ticket_ref", how="semi")
    told = [f"{len(added)} added", f"{len(removed)} removed", f"{len(changed)} changed"]
    print(f"{', '.join(told)}; {len(moved)} of those added and removed are the same ticket on a train that was moved")


# %% [markdown]
# ## What it does to net sales
#
# Per currency, exactly: before, plus what came, went and changed, is after. A ticket that changed its currency leaves
# one sum and enters another.

# %%
def effect(how, frame, code, amount):
    """What tickets bring or take away, one row each."""
    return frame.select(pl.lit(how).alias("how"), *KEY, pl.col(code).alias("currency"), amount.alias("net"))


def sums(frame, *by):
    """Rows and sum of net sales by one or more columns."""
    grouped = frame.group_by(*by).agg(pl.len(), pl.sum("net"))
    return {tuple(key): (rows, total) for *key, rows, total in grouped.iter_rows()}


if after:
    nought = pl.lit(Decimal("0.00"))
    effects = pl.concat([
        effect("added", added, "ticket_currency", nought + pl.col("net")),
        effect("removed", removed, "ticket_currency", nought - pl.col("net")),
        effect("changed", changed, "ticket_currency", nought - pl.col("net")),
        effect("changed", changed, "ticket_currency after", nought + pl.col("net after")),
    ])
    # The two rows of a changed ticket become one, unless they are of different currencies.
    effects = effects.group_by("how", *KEY, "currency").agg(pl.sum("net"))
    by_how = sums(effects, "currency", "how")
    earlier, later = sums(old, "ticket_currency"), sums(new, "ticket_currency")
    none = (0, Decimal("0.00"))

    # Editions made long ago counted tickets only.
    published_net = after["changes"].get("net", {})
    for code, of in published_net.items():
        assert earlier.get((code,), none)[1] == Decimal(of["before"]), f"{code}: net sales before"
        assert later.get((code,), none)[1] == Decimal(of["after"]), f"{code}: net sales after"
        for how in ("added", "removed", "changed"):
            published = (of[how]["rows"], Decimal(of[how]["amount"]))
            ours = by_how.get((code, how), none)
            assert ours == published, f"{code}, {how}: {ours}, not {published}"
        explained = sum(by_how.get((code, how), none)[1] for how in ("added", "removed", "changed"))
        assert Decimal(of["before"]) + explained == Decimal(of["after"]), f"{code}: something is unexplained"
    assert not published_net or {code for code, in earlier | later} == set(published_net), "other currencies"
    print(f"{', '.join(published_net) or 'nothing'}: as the manifest says, to the cent")

# %%
if after:
    currency = max(later or earlier, key=lambda key: (later or earlier)[key][0])[0]
    steps = [(f"Net sales, edition {before['edition']}", earlier.get((currency,), none)[1], True)]
    for how, name in (("added", "Tickets added"), ("removed", "Tickets removed"), ("changed", "Tickets changed")):
        rows, amount = by_how.get((currency, how), none)
        steps.append((f"{name} ({rows})", amount, False))
    steps.append((f"Net sales, edition {after['edition']}", later.get((currency,), none)[1], True))
    difference = steps[-1][1] - steps[0][1]

    fig, ax = style.figure(3.2)
    style.bridge(ax, [(name, float(amount), level) for name, amount, level in steps], currency)
    by = f"{abs(difference):,} {currency} {'more' if difference > 0 else 'less'}"
    finding = f"{period} has net sales of {by} than before"
    if not difference:
        finding = f"Net sales of {period} are what they were"
    style.say(fig, finding, f"Net sales from {editions}; in brackets the number of tickets")

# %% [markdown]
# ## What changed in them
#
# One row for each ticket and column that differs. Passengers' names are left out: a page may be passed on.

# %%
PRIVATE = ["passenger_first_name", "passenger_last_name"]

if after:
    parts = [
        changed.filter(differs[place]).select(
            "ticket_ref",
            pl.lit(name).alias("column"),
            pl.col(name).cast(pl.String).alias("before"),
            pl.col(f"{name} after").cast(pl.String).alias("after"),
        )
        for place, name in enumerate(columns)
    ]
    cells = pl.concat(parts).with_columns(
        pl.when(pl.col("column").is_in(PRIVATE)).then(pl.lit("not shown")).otherwise(pl.col(side)).alias(side)
        for side in ("before", "after")
    )
    by_column = cells.group_by("column").len().sort("len", "column", descending=[True, False])
    assert cells["ticket_ref"].n_unique() == len(changed)

    if by_column.is_empty():
        print("No ticket stands in both editions with different values.")
    else:
        fig, ax = style.figure(0.7 + 0.36 * len(by_column))
        counts = by_column["len"].to_list()
        style.bars(ax, by_column["column"].to_list(), counts, counts, "Tickets in which the column differs")
        column, count = by_column.row(0)
        style.say(
            fig, f"{column} differs in {count} of the {len(changed)} tickets that changed",
            f"{period}, {editions}",
        )

# %% [markdown]
# From what to what, where that says something: columns with few values.

# %%
FEW = ["ticket_status", "booking_status", "latest_payment_status", "payment_method", "trip_status", "fare_code"]

shown = pl.DataFrame()
if after:
    shown = (
        cells.filter(pl.col("column").is_in(FEW))
        .group_by("column", "before", "after")
        .agg(pl.len().alias("tickets"))
        .sort("column", "tickets", "before", "after", descending=[False, True, False, False])
    )
style.Table(shown)

# %% [markdown]
# Those tickets that matter most for net sales, but for those on trains that were moved, which come and go for the same.

# %%
if after:
    more = pl.concat([frame.select(*KEY, "ticket_status", "booking_ref") for frame in (new, removed)])
    shown = (
        effects.filter((pl.col("net") != 0) & ~pl.col("ticket_ref").is_in(moved["ticket_ref"].implode()))
        .join(more, on=KEY, how="left")
        .sort(pl.col("net").abs(), "ticket_ref", descending=[True, False])
        .select("how", "ticket_ref", "booking_ref", "service_date", "ticket_status", "currency", "net")
        .head(15)
    )
style.Table(shown)
