# %% [markdown]
# # Payments and reconciliation
#
# How was it paid, why isn't what was paid what was sold, and how much is outstanding? The figures are made here once
# more, from the Parquet files and by other means than the program's, and must be those of the workbook: in decimals, to
# the cent, per currency, each booking once. What each of them means is written in `docs/definitions.md`.

# %%
from decimal import Decimal

import polars as pl

import store
import style

style.use()

MONTH = None  # for example "2025-11"; None is the newest one in which tickets were sold

manifest = store.month(MONTH)
month, zone = manifest["period"], manifest["time_zone"]
codes = store.currencies(manifest)
currency = codes[0]
published = manifest["summary"]["currencies"]
print(f"{style.month(month)}, edition {manifest['edition']}, {', '.join(codes)}")

# %%
tickets, bookings, payments, refunds, exceptions = (
    pl.read_parquet(store.folder(manifest) / f"{name}.parquet")
    for name in ("tickets", "bookings", "payments", "refunds", "exceptions")
)

# %% [markdown]
# ## Each booking once
#
# In the table of tickets a booking's total stands on each of its tickets. Whoever adds that column up counts a booking
# of three tickets three times, so sums of bookings start from the table of bookings.

# %%
ours = tickets.filter(pl.col("booking_currency") == currency)
once = ours.unique("booking_id")["booking_total_amount"].sum()
print(f"{ours['booking_total_amount'].sum():>14,} {currency}: the column added up, which means nothing")
print(f"{once:>14,} {currency}: each booking once")
assert once == bookings.filter(pl.col("currency") == currency)["total_amount"].sum()

# %% [markdown]
# What was received and kept is *completed*, what was received and returned is *refunded*; pending and failed payments
# brought nothing. A payment in another currency than its booking's is left out of the booking's sums.

# %%
NOTHING = pl.lit(Decimal("0.00"))

own = payments.join(bookings.select("booking_id", booking_currency="currency"), on="booking_id", validate="m:1")
own = own.filter(pl.col("currency") == pl.col("booking_currency")).group_by("booking_id").agg(
    pl.col("amount").filter(pl.col("status") == "completed").sum().alias("completed"),
    pl.col("amount").filter(pl.col("status") == "refunded").sum().alias("given_back"),
)
each = (
    bookings.join(own, on="booking_id", how="left")
    .with_columns(
        pl.col("completed", "given_back").fill_null(NOTHING),
        pl.when(pl.col("status") == "confirmed").then("total_amount").otherwise(NOTHING).alias("due"),
    )
    .with_columns((pl.col("completed") + pl.col("given_back")).alias("received"))
    .with_columns(
        pl.when(pl.col("due") > pl.col("received"))
        .then(pl.col("due") - pl.col("received"))
        .otherwise(NOTHING)
        .alias("outstanding")
    )
)

figures = each.group_by("currency").agg(
    pl.len().alias("bookings"),
    pl.sum("total_amount").alias("totals"),
    pl.sum("due", "received", "given_back"),
    pl.sum("completed").alias("paid"),
    pl.sum("outstanding"),
)
store.must_be(
    "bookings and payments",
    {(row["currency"], name): row[name] for row in figures.iter_rows(named=True) for name in figures.columns[1:]},
    {
        (code, name): Decimal(value)
        for code, of in published.items()
        if of["bookings"]["bookings"]
        for name, value in of["bookings"].items()
    },
)
style.Table(figures.sort("bookings", descending=True))


# %% [markdown]
# ## The reconciliation
#
# From the tickets sold to the payments completed, and from the payments given back to the refunds of tickets. First the
# steps: sums over whole tables.

# %%
def add_up(frame, amount="amount", code="currency"):
    """Rows and sum by currency."""
    return {key: (rows, total) for key, rows, total in frame.group_by(code).agg(pl.len(), pl.sum(amount)).iter_rows()}


steps = {
    "tickets_sold": add_up(tickets, "ticket_price", "ticket_currency"),
    "booking_totals": add_up(each, "total_amount"),
    "due": add_up(each.filter(pl.col("status") == "confirmed"), "due"),
    "received": add_up(each.filter(pl.col("received") != 0), "received"),
    "payments_completed": add_up(payments.filter(pl.col("status") == "completed")),
    "payments_given_back": add_up(payments.filter(pl.col("status") == "refunded")),
    "ticket_refunds": add_up(refunds),
}

# %% [markdown]
# Then the differences that lead from one step to the next. The ordinary ones follow from the bookings, the others are
# the table of exceptions.

# %%
unconfirmed = pl.col("status") != "confirmed"
refunded = (pl.col("given_back") != 0) | (pl.col("refund_total") != 0) | (pl.col("other_refund_count") > 0)
ORDINARY = [
    ("booking_totals", "issued_in_other_periods", pl.col("ticket_total") - pl.col("period_ticket_total")),
    ("due", "not_confirmed", pl.col("due") - pl.col("total_amount")),
    ("received", "received_not_due", pl.when(unconfirmed & refunded).then("received").otherwise(NOTHING)),
    ("payments_completed", "less_given_back", NOTHING - pl.col("given_back")),
    ("ticket_refunds", "refunded_in_other_periods", pl.col("period_refund_total") - pl.col("refund_total")),
]

differences = {}
for step, key, amount in ORDINARY:
    found = each.select("currency", amount.alias("amount")).filter(pl.col("amount") != 0)
    differences |= {(code, step, key): sums for code, sums in add_up(found).items()}
for (step, reason), found in exceptions.drop_nulls("amount").group_by("step", "reason"):
    differences |= {(code, step, reason): sums for code, sums in add_up(found).items()}

# %% [markdown]
# Both must be what the manifest has for the sheet, and nothing may be left over.

# %%
STARTS = ("tickets_sold", "payments_given_back")

theirs, levels, residual = {}, {}, {}
for code in codes:
    waiting, at = [], Decimal(0)
    for line in published[code]["reconciliation"]:
        amount = Decimal(line["amount"])
        if line["kind"] != "step":
            waiting.append((line["key"], line["count"], amount))
            at += amount
            continue
        theirs |= {(code, line["key"], key): (count, sum_) for key, count, sum_ in waiting}
        levels[code, line["key"]] = (line["count"], amount)
        if line["key"] not in STARTS:
            residual[code, line["key"]] = amount - at
        waiting, at = [], amount

empty = (0, Decimal("0.00"))
store.must_be("steps", {(code, step): sums.get(code, empty) for code in codes for step, sums in steps.items()}, levels)
store.must_be("differences", differences, theirs)
store.must_be("unexplained", residual, dict.fromkeys(residual, Decimal(0)))


# %% [markdown]
# And the sheet itself, as Excel has it. A cell holds a double; rounded to the cent it is the amount again.

# %%
def cents(number):
    return None if number is None else round(Decimal(number), 2)


def sheet(code):
    """The lines of the sheet Reconciliation in one currency: name, count, step, difference, unexplained."""
    plain = len(code) == 3 and code.isascii() and code.isupper()
    frame = pl.read_excel(workbook, table_name=f"Reconciliation_{code if plain else sorted(codes).index(code) + 1}")
    return [(name, count, *map(cents, amounts)) for name, _, count, *amounts in frame.iter_rows()]


workbook = store.workbook(manifest)
names = {}
if workbook is None:
    print("The workbook isn't there; `ticketing-report check --repair` makes it again.")
else:
    for code in codes:
        lines = published[code]["reconciliation"]
        rows = sheet(code)
        assert len(rows) == len(lines), f"{code}: {len(rows)} lines on the sheet, {len(lines)} in the manifest"
        names |= {line["key"]: name for line, (name, *_) in zip(lines, rows)}
        store.must_be(
            f"sheet Reconciliation, {code}",
            {n: (count, step, difference) for n, (_, count, step, difference, _) in enumerate(rows)},
            {
                n: (line["count"], *((amount, None) if line["kind"] == "step" else (None, amount)))
                for n, line in enumerate(lines)
                for amount in [Decimal(line["amount"])]
            },
        )
        assert all(not unexplained for *_, unexplained in rows), f"{code}: the sheet leaves something unexplained"


# %%
def name_of(key):
    """What the workbook calls a line, or its key in words."""
    return names.get(key) or key.replace("_", " ").capitalize()


def bridge(first, last):
    """The lines of the main currency from one step to another: name, amount, whether it is a step."""
    lines = published[currency]["reconciliation"]
    keys = [line["key"] if line["kind"] == "step" else None for line in lines]
    chain = lines[keys.index(first) : keys.index(last) + 1]
    return [
        (name_of(line["key"]), float(line["amount"]), line["kind"] == "step")
        for line in chain
    ]


chain = bridge("tickets_sold", "payments_completed")
greatest = max((line for line in chain if not line[2]), key=lambda line: abs(line[1]), default=None)
apart = chain[0][1] - chain[-1][1]

fig, ax = style.figure(1.2 + 0.3 * len(chain))
style.bridge(ax, chain, currency)
finding = f"In {style.month(month)} as much was paid as was sold: {chain[0][1]:,.2f} {currency}"
if apart:
    by = f"{abs(apart):,.2f} {currency} {'less' if apart > 0 else 'more'}"
    finding = f"In {style.month(month)} {by} was paid than sold"
shown = "From the tickets sold to the payments completed; each difference has one reason"
if greatest is not None:
    shown += f". The greatest: {greatest[0]}"
style.say(fig, finding, shown)

# %%
chain = bridge("payments_given_back", "ticket_refunds")
apart = chain[-1][1] - chain[0][1]

if chain[0][1] or chain[-1][1]:
    fig, ax = style.figure(1.2 + 0.3 * len(chain))
    style.bridge(ax, chain, currency)
    finding = "Tickets were refunded with as much as payments were given back"
    if apart:
        by = f"{abs(apart):,.2f} {currency} {'more' if apart > 0 else 'less'}"
        finding = f"Tickets were refunded with {by} than was given back"
    style.say(fig, finding, f"{style.month(month)}: from the payments given back to the refunds of tickets")
else:
    print(f"Nothing was given back or refunded in {currency}.")

# %% [markdown]
# What somebody has to look at: the exceptions by step and reason. A flag has no amount; its booking's difference stands
# under another reason.

# %%
counts = dict(exceptions.group_by("reason").len().iter_rows())
store.must_be("exceptions", counts, {key: count for key, count in manifest["summary"]["exceptions"].items() if count})

flag = pl.col("amount").is_null()
listed = exceptions.group_by("step", "reason", "currency").agg(
    pl.len().alias("found"),
    flag.sum().alias("of which flags"),
    pl.when(~flag.all()).then(pl.sum("amount")).alias("amount"),
    pl.col("age_days").median().alias("age in days, median"),
).sort("found", "step", "reason", "currency", descending=[True, False, False, False])
style.Table(listed.with_columns(pl.col("step", "reason").map_elements(name_of, return_dtype=pl.String)))

# %% [markdown]
# ## How it was paid

# %%
tries = payments.sort("created_at", "payment_id").with_columns(
    (pl.int_range(pl.len()).over("booking_id") == 0).alias("first")
)
lines = {
    (code, method, status, first): (rows, amount)
    for code, method, status, first, rows, amount in tries.group_by("currency", "method", "status", "first")
    .agg(pl.len(), pl.sum("amount"))
    .iter_rows()
}
store.must_be(
    "sheet Payments",
    lines,
    {
        (code, line["method"], line["status"], tried == "first"): (line[tried]["rows"], Decimal(line[tried]["amount"]))
        for code, of in published.items()
        for line in of["payments"]
        for tried in ("first", "retries")
        if line[tried]["rows"]
    },
)

# %%
kept = tries.filter(pl.col("status") == "completed", pl.col("currency") == currency)
methods = kept.group_by("method").agg(
    pl.sum("amount"), pl.col("amount").filter(~pl.col("first")).sum().alias("later")
).sort("amount", "method", descending=[True, False])
assert steps["payments_completed"].get(currency, empty)[1] == methods["amount"].sum()

if methods.is_empty():
    print(f"No payment in {currency} was completed.")
else:
    later, all_of = style.numbers(methods["later"]), style.numbers(methods["amount"])
    fig, ax = style.figure(0.8 + 0.36 * len(methods))
    style.bars(
        ax,
        [(method or "none").replace("_", " ") for method in methods["method"]],
        all_of,
        [f"{amount:,.0f}  ({100 * amount / sum(all_of):.0f} %)" for amount in all_of],
        f"Completed payments, {currency}",
        ends=later,
    )
    greatest = (methods["method"][0] or "none").replace("_", " ").capitalize()
    share, retried = 100 * all_of[0] / sum(all_of), 100 * sum(later) / sum(all_of)
    style.say(
        fig, f"{greatest} brings {share:.0f} % of the money; {retried:.1f} % came at a later try",
        f"{style.month(month)}. Dark: the booking's first payment; the lighter end: later payments of the booking",
    )

# %% [markdown]
# ## What is outstanding

# %%
AGES = [("not due yet", 0), ("1 to 30 days", 30), ("31 to 60 days", 60), ("61 to 90 days", 90), ("over 90 days", None)]

last = store.days(month)[-1]
until = pl.coalesce("expires_at", "created_at").dt.convert_time_zone(zone).dt.date()
age = (pl.lit(last) - until).dt.total_days()
group = pl.lit(len(AGES) - 1)
for place, (_, limit) in reversed(list(enumerate(AGES[:-1]))):
    group = pl.when(age <= limit).then(place).otherwise(group)
owed = each.filter(pl.col("outstanding") > 0).with_columns(group.alias("age"))
unpaid = {
    (code, place): (rows, amount)
    for code, place, rows, amount in owed.group_by("currency", "age").agg(pl.len(), pl.sum("outstanding")).iter_rows()
}
store.must_be(
    "sheet Unpaid by age",
    unpaid,
    {
        (code, place): (of["bookings"], Decimal(of["amount"]))
        for code in codes
        for place, of in enumerate(published[code]["unpaid"])
        if of["bookings"]
    },
)

# %%
amounts = [unpaid.get((currency, place), empty) for place in range(len(AGES))]
total = sum(amount for _, amount in amounts)

if not total:
    print(f"Nothing is outstanding in {currency}.")
else:
    fig, ax = style.figure(3.4)
    ax.bar(range(len(AGES)), [float(amount) for _, amount in amounts], color=style.DARK, width=0.65)
    for place, (rows, amount) in enumerate(amounts):
        text = f"{amount:,}\n{rows} booking{'' if rows == 1 else 's'}" if rows else "none"
        ax.text(place, float(amount), text, ha="center", va="bottom", fontsize=9)
    ax.set_xticks(range(len(AGES)), [name for name, _ in AGES])
    ax.tick_params(axis="x", length=0)
    ax.margins(y=0.2)
    ax.grid(axis="y")
    style.grouped(ax.yaxis)
    ax.set_ylabel(f"Outstanding, {currency}")
    style.say(
        fig, f"{total:,} {currency} are outstanding, of {sum(rows for rows, _ in amounts)} bookings",
        f"By days from when it was to be paid to {style.day(last)}; what somebody overpaid lowers nobody else's debt",
    )
