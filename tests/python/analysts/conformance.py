"""Whether polars, DuckDB, pandas and pyarrow read the same from a store, and the same as its workbooks say.

Usage: conformance.py STORE [REPORT_SERVER]

Each reader loads all months of a table in one line. Their types must be alike; rows and sums per month and currency
must be those of the manifests, and the workbooks' sheet TicketingReport must have the same, to the cent. What stands
for a month is its newest edition; an edition that is named by its number is read as it was published. With
REPORT_SERVER both are read from its URLs too, where they must be the same bytes. The store needs a month without
tickets, as such a month is where types are lost first, and one in two editions. Ends with 1 and what differs.
"""

import hashlib
import io
import json
import re
import subprocess
import sys
import tempfile
import urllib.request
from decimal import Decimal
from pathlib import Path

import duckdb
import fastexcel
import pandas
import polars
import pyarrow
import pyarrow.dataset
import pyarrow.parquet

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "server"))

from serving import Server  # noqa: E402: found by the line above

# Each table with its currency and its amount.
TABLES = {
    "tickets": ("ticket_currency", "ticket_price"),
    "bookings": ("currency", "total_amount"),
    "payments": ("currency", "amount"),
    "refunds": ("currency", "amount"),
    "trips": None,
    "exceptions": None,
}

READERS = {
    "polars": lambda table: polars.read_parquet(f"{table}/"),
    "polars, glob": lambda table: polars.read_parquet(f"{table}/*/*.parquet", hive_partitioning=True),
    "duckdb": lambda table: duckdb.sql(f"SELECT * FROM '{table}/*/*.parquet'"),
    "pandas": lambda table: pandas.read_parquet(f"{table}/"),
    "pandas, typed": lambda table: pandas.read_parquet(f"{table}/", dtype_backend="pyarrow"),
    "pyarrow": lambda table: pyarrow.dataset.dataset(table, partitioning="hive").to_table(),
    "pyarrow, by read_table": lambda table: pyarrow.parquet.read_table(table),
}

# One file, without a month.
ONE_FILE = {
    "polars": lambda path: polars.read_parquet(path, hive_partitioning=False),
    "duckdb": lambda path: duckdb.sql(f"SELECT * FROM read_parquet('{path}', hive_partitioning = false)"),
    "pandas": lambda path: pandas.read_parquet(path, dtype_backend="pyarrow", partitioning=None),
    "pyarrow": lambda path: pyarrow.parquet.read_table(path, partitioning=None),
}

wrong = []


def must(holds, what):
    if not holds:
        wrong.append(what)


def load(table, folder):
    """The table by each reader that can read it."""
    frames = {}
    for reader, read in READERS.items():
        try:
            frames[reader] = read(str(folder))
        except Exception as error:  # each library has errors of its own
            wrong.append(f"{table}, {reader}: can't be read: {str(error).splitlines()[0]}")
    return frames


def kind(column):
    """What a column's name promises."""
    if column.endswith("_at"):
        return "instant"
    if column in ("service_date", "since"):
        return "date"
    if column in ("departure_time", "arrival_time"):
        return "time"
    if column.endswith("_count") or column in ("carriage_number", "capacity", "age_days"):
        return "integer"
    if column == "ticket_price" or re.search(r"(^|_)(amount|total)$", column):
        return "decimal(12,2)"
    return "text"


def of_arrow(type_):
    if pyarrow.types.is_dictionary(type_):
        type_ = type_.value_type
    if type_ == pyarrow.timestamp("us", "UTC"):
        return "instant"
    if pyarrow.types.is_string(type_) or pyarrow.types.is_large_string(type_):
        return "text"
    names = {
        pyarrow.decimal128(12, 2): "decimal(12,2)", pyarrow.date32(): "date", pyarrow.time64("us"): "time",
        pyarrow.int64(): "integer",
    }
    return names.get(type_, str(type_))


def of_polars(type_):
    names = {
        polars.Datetime("us", "UTC"): "instant", polars.Date: "date", polars.Time: "time", polars.Int64: "integer",
        polars.Decimal(12, 2): "decimal(12,2)", polars.String: "text",
    }
    return names.get(type_, str(type_))


def of_duckdb(type_):
    names = {
        "TIMESTAMP WITH TIME ZONE": "instant", "DATE": "date", "TIME": "time", "BIGINT": "integer",
        "DECIMAL(12,2)": "decimal(12,2)", "VARCHAR": "text",
    }
    return names.get(str(type_), str(type_))


def of_pandas(column):
    """The type of a column as plain pandas has it: what numpy can't hold stays a Python object."""
    type_ = column.dtype
    if isinstance(type_, pandas.CategoricalDtype):
        return "text" if all(isinstance(value, str) for value in type_.categories) else str(type_)
    if isinstance(type_, pandas.DatetimeTZDtype):
        return "instant" if str(type_) == "datetime64[us, UTC]" else str(type_)
    # Whole numbers become floats where one is missing; pandas knows no other way without its own types.
    if pandas.api.types.is_integer_dtype(type_) or pandas.api.types.is_float_dtype(type_):
        return "integer"
    kinds = {type(value).__name__ for value in column if value is not None and value == value}
    names = {"Decimal": "decimal(12,2)", "date": "date", "time": "time", "str": "text"}
    return names.get(kinds.pop(), str(type_)) if len(kinds) == 1 else f"{type_} of {sorted(kinds) or 'nothing'}"


def types(frame):
    """Columns and their types in words that all readers share."""
    if isinstance(frame, polars.DataFrame):
        return {name: of_polars(type_) for name, type_ in frame.schema.items()}
    if isinstance(frame, duckdb.DuckDBPyRelation):
        return dict(zip(frame.columns, map(of_duckdb, frame.types)))
    if isinstance(frame, pyarrow.Table):
        return {field.name: of_arrow(field.type) for field in frame.schema}
    typed = {name: getattr(type_, "pyarrow_dtype", None) for name, type_ in frame.dtypes.items()}
    return {name: of_arrow(type_) if type_ is not None else of_pandas(frame[name]) for name, type_ in typed.items()}


def sums(frame, currency, amount):
    """Rows and sum by month and currency, each reader with its own means."""
    if isinstance(frame, polars.DataFrame):
        rows = frame.group_by("month", currency).agg(polars.len(), polars.sum(amount)).iter_rows()
    elif isinstance(frame, duckdb.DuckDBPyRelation):
        rows = frame.aggregate(f"month, {currency}, count(*), sum({amount})").fetchall()
    elif isinstance(frame, pyarrow.Table):
        made = frame.group_by(["month", currency]).aggregate([([], "count_all"), (amount, "sum")])
        rows = zip(*(made[name].to_pylist() for name in ("month", currency, "count_all", f"{amount}_sum")))
    else:
        rows = frame.groupby(["month", currency], observed=True)[amount].agg(["size", "sum"]).itertuples()
        rows = ((*row[0], row[1], row[2]) for row in rows)
    return {(month, code): (count, Decimal(total)) for month, code, count, total in rows}


def count(frame):
    return frame.count("*").fetchall()[0][0] if isinstance(frame, duckdb.DuckDBPyRelation) else len(frame)


def promised(columns):
    return {name: kind(name) for name in columns}


def same_types(table, folder, frames):
    """All readers see the declared types; a month's file has those of all the others."""
    schemas = {path.parent.name: pyarrow.parquet.read_schema(path) for path in sorted(folder.glob("*/*.parquet"))}
    newest = list(schemas.values())[-1]
    for month, schema in schemas.items():
        must(schema.equals(newest, check_metadata=True), f"{table}, {month}: its schema isn't that of the newest month")
    for reader, frame in frames.items():
        found = types(frame)
        expected = promised([*newest.names, "month"])
        for name in found.keys() | expected.keys():
            must(
                found.get(name) == expected.get(name),
                f"{table}, {reader}: {name} is {found.get(name)}, not {expected.get(name)}",
            )


def same_meanings(table, folder, months):
    """Each file says what it is and what its columns mean, in the same words everywhere."""
    for month, manifest in months.items():
        path = folder / f"month={month}" / "part-0.parquet"
        told = {key.decode(): value.decode() for key, value in pyarrow.parquet.read_metadata(path).metadata.items()}
        of = {key: told.get(key) for key in ("table", "schema_version", "time_zone", "cut")}
        expected = {
            "table": table, "schema_version": str(manifest["schema_version"]), "time_zone": manifest["time_zone"],
            "cut": manifest["cut"]["at"],
        }
        must(of == expected, f"{table}, {month}: the file says {of}, the manifest {expected}")
        meanings = {f.name: f.metadata[b"description"].decode() for f in pyarrow.parquet.read_schema(path)}
        must(meanings == json.loads(told["columns"]), f"{table}, {month}: columns mean one thing here, another there")


def empty_month(table, folder, month):
    """A month without tickets is a valid file with all columns and types, for everybody."""
    path = folder / f"month={month}" / "part-0.parquet"
    for reader, read in ONE_FILE.items():
        frame = read(path)
        must(count(frame) == 0, f"{table}, {reader}: {month} has {count(frame)} rows")
        found = types(frame)
        must(found == promised(found) and len(found) > 5, f"{table}, {reader}: in the empty {month} types are {found}")


def file(manifest, table):
    """What a manifest says of a table's file."""
    return manifest["exceptions"] if table == "exceptions" else manifest["tables"][table]


def published(months, table):
    return {
        (month, code): (of["rows"], Decimal(of["amount"]))
        for month, manifest in months.items()
        for code, of in manifest["tables"][table].get("totals", {}).items()
    }


def same_rows(table, months, frames):
    """Rows and sums of each reader are those of the manifests."""
    for reader, frame in frames.items():
        if TABLES[table]:
            found, expected = sums(frame, *TABLES[table]), published(months, table)
            for key in sorted(found.keys() | expected.keys()):
                must(
                    found.get(key) == expected.get(key),
                    f"{table}, {reader}, {key}: {found.get(key)}, the manifest says {expected.get(key)}",
                )
        rows = sum(file(manifest, table)["rows"] for manifest in months.values())
        must(count(frame) == rows, f"{table}, {reader}: {count(frame)} rows, the manifests say {rows}")


def totals_of(frame, currency, amount):
    """Rows and sum of a file by currency, each reader with its own means."""
    if isinstance(frame, polars.DataFrame):
        rows = frame.group_by(currency).agg(polars.len(), polars.sum(amount)).iter_rows()
    elif isinstance(frame, duckdb.DuckDBPyRelation):
        rows = frame.aggregate(f"{currency}, count(*), sum({amount})").fetchall()
    elif isinstance(frame, pyarrow.Table):
        made = frame.group_by([currency]).aggregate([([], "count_all"), (amount, "sum")])
        rows = zip(*(made[name].to_pylist() for name in (currency, "count_all", f"{amount}_sum")))
    else:
        rows = frame.groupby(currency)[amount].agg(["size", "sum"]).itertuples()
    return {code: (count, Decimal(total)) for code, count, total in rows}


def as_published(what, frame, table, manifest):
    """A single file has the types, rows and sums that its own edition's manifest says."""
    rows = file(manifest, table)["rows"]
    must(count(frame) == rows, f"{what}: {count(frame)} rows, the manifest says {rows}")
    found = types(frame)
    must(found == promised(found), f"{what}: types are {found}")
    if TABLES[table]:
        expected = {code: (of["rows"], Decimal(of["amount"])) for code, of in file(manifest, table)["totals"].items()}
        must(totals_of(frame, *TABLES[table]) == expected, f"{what}: sums aren't those of its manifest, {expected}")


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def editions(store, manifests, months):
    """What stands for a month is its newest edition; each edition can be read by its number."""
    for table in TABLES:
        for month, manifest in months.items():
            shown = (store / "snapshots" / table / f"month={month}" / "part-0.parquet").read_bytes()
            newest = file(manifest, table)["sha256"]
            must(sha256(shown) == newest, f"{table}, {month}: the file isn't that of edition {manifest['edition']}")
        for manifest in manifests:
            period, edition = manifest["period"], manifest["edition"]
            path = store / "editions" / period / str(edition) / f"{table}.parquet"
            for reader, read in ONE_FILE.items():
                as_published(f"{table}, {reader}, edition {edition} of {period}", read(str(path)), table, manifest)
    print(f"{len(manifests)} editions by their numbers, the newest of {len(months)} months by name")


def from_server(store, report_server, manifests, months):
    """The same from the server's URLs, of the newest edition and of one by its number."""
    # DuckDB reads over HTTP in a version of its own.
    with_http = Path(sys.prefix).parent / "duckdb" / "bin" / "python"
    readers = Path(__file__).resolve().parents[1] / "server" / "readers.py"
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(report_server).resolve(), Path(folder), ["--store", store, "--rate", "100000"], {})
        with server:

            def address(table, period, edition):
                return f"{server.url}/api/k8s/snapshots/{period}/{edition}/{table}.parquet"

            wanted = [(manifest["period"], str(manifest["edition"]), manifest) for manifest in manifests]
            wanted += [(month, "latest", manifest) for month, manifest in months.items()]
            for table in TABLES:
                for period, edition, manifest in wanted:
                    url, what = address(table, period, edition), f"{table}, {edition} of {period}"
                    with urllib.request.urlopen(url) as answer:
                        content = answer.read()
                    must(sha256(content) == file(manifest, table)["sha256"], f"{what}: other bytes from the server")
                    # As each is told of a URL; pyarrow knows none, and takes the file that was fetched.
                    frames = {
                        "polars": polars.scan_parquet(url).collect(),
                        "pandas": pandas.read_parquet(url, dtype_backend="pyarrow"),
                        "pyarrow": pyarrow.parquet.read_table(io.BytesIO(content)),
                    }
                    for reader, frame in frames.items():
                        as_published(f"{what}, {reader} from the server", frame, table, manifest)
            urls = [address("tickets", month, "latest") for month in months]
            of_all = polars.scan_parquet(urls).select(polars.len()).collect().item()
            rows = sum(manifest["rows"] for manifest in months.values())
            must(of_all == rows, f"polars, all months from the server: {of_all} rows, the manifests say {rows}")
            for period, edition, manifest in ((p, e, m) for p, e, m in wanted if (p, e) in pinned(manifests)):
                command = [with_http, "-B", readers, "duckdb", address("tickets", period, edition)]
                said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
                # Across currencies, as it is only compared.
                amount = sum(Decimal(of["amount"]) for of in manifest["tables"]["tickets"]["totals"].values())
                expected = f"{manifest['rows']} {amount}"
                must(said == expected, f"duckdb from the server, {edition} of {period}: {said}, not {expected}")
    print(f"{len(wanted)} editions from the server's URLs, the same bytes")


def pinned(manifests):
    """A period in two editions: both by their numbers, and the newest by name."""
    twice = max(manifest["period"] for manifest in manifests if manifest["edition"] > 1)
    return {(twice, "latest"), *((twice, str(m["edition"])) for m in manifests if m["period"] == twice)}


def workbook_totals(rows):
    """Sums of a workbook's amounts. Its cells are doubles, each of which is rounded to the cent."""
    cents = [(polars.col(name) * 100).round().cast(polars.Int64).alias(name) for name in MONEY]
    return money(rows.with_columns(cents), lambda total: Decimal(total) / 100)


def snapshot_totals(rows):
    """Sums of the same amounts in a Parquet file."""
    return money(rows, Decimal)


MONEY = ["ticket_price", "booking_total_amount", "paid_amount", "refunded_amount"]


def money(rows, amount):
    """Rows and sums by currency: of tickets as they are, of bookings each once."""
    once = rows.filter(polars.col("booking_ref").is_not_null()).unique("booking_ref")
    parts = [
        (rows, "ticket_currency", "ticket_price"), (rows, "ticket_currency", "refunded_amount"),
        (once, "booking_currency", "booking_total_amount"), (once, "booking_currency", "paid_amount"),
    ]
    return {
        (name, code): (found, amount(total))
        for frame, currency, name in parts
        for code, found, total in frame.group_by(currency).agg(polars.len(), polars.sum(name)).iter_rows()
    }


def sheets(path):
    """All of TicketingReport, which goes on in another sheet when it is longer than Excel allows."""
    names = [n for n in fastexcel.read_excel(path).sheet_names if re.fullmatch(r"TicketingReport( \(\d+\))?", n)]
    parts = [polars.read_excel(path, sheet_name=n, infer_schema_length=None, raise_if_empty=False) for n in names]
    return polars.concat([part.cast(dict.fromkeys(MONEY, polars.Float64)) for part in parts])


def same_workbook(store, manifest, own):
    """The sheet has the tickets of the Parquet file in the same order, and comes to the same."""
    path = store / manifest["workbook"]["name"]
    rows = sheets(path)
    must(len(rows) == manifest["rows"], f"{path.name}: {len(rows)} rows, the manifest says {manifest['rows']}")
    if len(rows) == 0:
        must(rows.columns == own.columns[: len(rows.columns)], f"{path.name}: columns are {rows.columns}")
        return
    same = rows["ticket_ref"].to_list() == own["ticket_ref"].to_list()
    must(same, f"{path.name}: other tickets, or in another order")
    found, expected = workbook_totals(rows), snapshot_totals(own)
    for key in sorted(found.keys() | expected.keys()):
        ours, theirs = found.get(key), expected.get(key)
        must(ours == theirs, f"{path.name}, {key}: {ours}, in Parquet {theirs}")
    for code, of in manifest["tables"]["tickets"]["totals"].items():
        sold = found.get(("ticket_price", code))
        must(sold == (of["rows"], Decimal(of["amount"])), f"{path.name}, {code}: {sold}, the manifest says {of}")


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    store, *report_server = (Path(argument).resolve() for argument in sys.argv[1:])
    manifests = [json.loads(path.read_text(encoding="utf-8")) for path in store.glob("editions/*/*/manifest.json")]
    months = {}
    for manifest in sorted(manifests, key=lambda m: (m["period"], m["edition"])):
        if re.fullmatch(r"\d{4}-\d{2}", manifest["period"]):
            months[manifest["period"]] = manifest
    empty = [month for month, manifest in months.items() if not manifest["rows"]]
    if not empty or len(months) - len(empty) < 2:
        had = f"{store} has {len(months)} months, {len(empty)} of them empty"
        sys.exit(f"{had}: two with tickets and an empty one are needed")
    if not any(manifest["edition"] > 1 for manifest in manifests):
        sys.exit(f"{store} has no period in two editions, which is needed")

    for table in TABLES:
        folder = store / "snapshots" / table
        shown = sorted(path.parent.name.removeprefix("month=") for path in folder.glob("*/part-0.parquet"))
        must(shown == sorted(months), f"{table}: files of {shown}, editions of {sorted(months)}")
        frames = load(table, folder)
        same_types(table, folder, frames)
        same_rows(table, months, frames)
        same_meanings(table, folder, months)
        for month in empty:
            empty_month(table, folder, month)
        print(f"{table}: {sum(file(m, table)['rows'] for m in months.values())} rows, {len(frames)} ways to read them")

    for month, manifest in months.items():
        tickets = polars.read_parquet(store / "snapshots" / "tickets" / f"month={month}" / "part-0.parquet")
        same_workbook(store, manifest, tickets)
    print(f"{len(months)} workbooks, {len(empty)} of them empty")
    editions(store, manifests, months)
    for program in report_server:
        from_server(store, program, manifests, months)

    if wrong:
        more = [f"and {len(wrong) - 40} more"] if len(wrong) > 40 else []
        sys.exit("\n".join([f"{len(wrong)} differences:", *wrong[:40], *more]))
    versions = (f"{module.__name__} {module.__version__}" for module in (polars, duckdb, pandas, pyarrow))
    print(f"all the same to the cent with {', '.join(versions)}")


if __name__ == "__main__":
    main()
