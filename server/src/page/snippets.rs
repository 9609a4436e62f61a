//! How other programs read the snapshots: from this server, and from the store's folder.

use maud::{Markup, html};

use super::{
    parts::snippet,
    view::{Home, Role, SnapshotItem},
};

/// Where the token is kept in the snippets.
const VARIABLE: &str = "REPORT_TOKEN";

/// Text between double quotes of Python.
fn python(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Text between single quotes of SQL.
fn sql(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Text between single quotes of a shell.
fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The programs with their snippets.
pub(crate) fn snippets(home: &Home) -> Markup {
    let Some(newest) = home.snapshots.iter().find(|item| item.period.month().is_some()).or(home.snapshots.first())
    else {
        return html! {};
    };
    let token = home.viewer.signed_in || home.viewer.role < Role::Analyst;
    let url = latest(&home.base, newest);
    let folder = home.store_address.strip_prefix("file://").unwrap_or(&home.store_address).trim_end_matches('/');
    let folder = format!("{folder}/snapshots/tickets/");
    let programs = [
        ("polars", polars(&url, token), polars_folder(&folder)),
        ("DuckDB", duckdb(&url, token), duckdb_folder(&folder)),
        ("pandas", pandas(&url, token), pandas_folder(&folder)),
        ("curl", curl(&url, token), curl_all(home, newest, token)),
    ];
    html! {
        h3 { "Read them from a program" }
        p class="muted" {
            "Addresses with " code { "latest" } " give the newest edition. The folder has whole months only, the "
            "newest edition of each."
            @if token {
                " From the server it takes a token of the role analyst, here in the variable " code { (VARIABLE) } "."
            }
        }
        @for (place, (program, server, folder)) in programs.iter().enumerate() {
            details class="program" name="program" id={ "program-" (place) } open[place == 0] {
                summary { (program) }
                (snippet(&format!("snippet-{place}-server"), &format!("{program}: a month from this server"), server))
                @if *program == "curl" {
                    (snippet("snippet-curl-list", "curl: what there is", folder))
                } @else {
                    @let label = format!("{program}: all months from the folder");
                    (snippet(&format!("snippet-{place}-folder"), &label, folder))
                }
            }
        }
    }
}

fn latest(base: &str, item: &SnapshotItem) -> String {
    format!("{base}/api/k8s/snapshots/{}/latest/tickets.parquet", item.period)
}

fn lines(lines: &[&str]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

/// The header that carries the token, as Python.
fn python_header() -> String {
    format!("{{\"Authorization\": \"Bearer \" + os.environ[\"{VARIABLE}\"]}}")
}

fn polars(url: &str, token: bool) -> String {
    let url = python(url);
    let by_currency = r#"tickets.group_by("ticket_currency").agg(polars.len(), polars.sum("ticket_price"))"#;
    if token {
        // polars sends no headers of one's own choice.
        lines(&[
            "import io, os, urllib.request",
            "import polars",
            "",
            "request = urllib.request.Request(",
            &format!("    {url},"),
            &format!("    headers={},", python_header()),
            ")",
            "with urllib.request.urlopen(request) as answer:",
            "    tickets = polars.read_parquet(io.BytesIO(answer.read()))",
            &format!("print({by_currency})"),
        ])
    } else {
        let scan = format!("tickets = polars.scan_parquet({url})");
        lines(&["import polars", "", &scan, &format!("print({by_currency}.collect())")])
    }
}

fn polars_folder(folder: &str) -> String {
    lines(&[
        "import polars",
        "",
        &format!("tickets = polars.scan_parquet({})", python(folder)),
        r#"sales = tickets.group_by("month", "ticket_currency").agg(polars.len(), polars.sum("ticket_price"))"#,
        r#"print(sales.sort("month", "ticket_currency").collect())"#,
    ])
}

fn duckdb(url: &str, token: bool) -> String {
    let secret =
        "-- Put the token between the quotes.\nCREATE OR REPLACE SECRET reports (TYPE http, BEARER_TOKEN '');\n";
    let query = lines(&[
        "SELECT ticket_currency, count(*) AS tickets, sum(ticket_price) AS gross",
        &format!("FROM read_parquet({})", sql(url)),
        "GROUP BY ALL;",
    ]);
    if token { format!("{secret}{query}") } else { query }
}

fn duckdb_folder(folder: &str) -> String {
    lines(&[
        "SELECT month, ticket_currency, count(*) AS tickets, sum(ticket_price) AS gross",
        &format!("FROM read_parquet({}, hive_partitioning = true)", sql(&format!("{folder}*/*.parquet"))),
        "GROUP BY ALL ORDER BY ALL;",
    ])
}

fn pandas(url: &str, token: bool) -> String {
    let url = python(url);
    let by_currency = r#"print(tickets.groupby("ticket_currency")["ticket_price"].agg(["count", "sum"]))"#;
    if token {
        let options = format!("    storage_options={},", python_header());
        let url = format!("    {url},");
        lines(&["import os", "import pandas", "", "tickets = pandas.read_parquet(", &url, &options, ")", by_currency])
    } else {
        lines(&["import pandas", "", &format!("tickets = pandas.read_parquet({url})"), by_currency])
    }
}

fn pandas_folder(folder: &str) -> String {
    lines(&[
        "import pandas",
        "",
        &format!("tickets = pandas.read_parquet({})", python(folder)),
        r#"by = tickets.groupby(["month", "ticket_currency"], observed=True)"#,
        r#"print(by["ticket_price"].agg(["count", "sum"]))"#,
    ])
}

fn header(token: bool) -> String {
    if token { format!(" -H \"Authorization: Bearer ${VARIABLE}\"") } else { String::new() }
}

fn curl(url: &str, token: bool) -> String {
    format!("curl --fail --remote-name{} {}\n", header(token), shell(url))
}

fn curl_all(home: &Home, newest: &SnapshotItem, token: bool) -> String {
    let (base, header) = (&home.base, header(token));
    format!(
        "# All snapshots, then the manifest of one.\ncurl --fail{header} {}\ncurl --fail{header} {}\n",
        shell(&format!("{base}/api/k8s/snapshots")),
        shell(&format!("{base}/api/k8s/snapshots/{}", newest.period)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_between_their_quotes() {
        assert_eq!(python(r#"C:\a "b""#), r#""C:\\a \"b\"""#);
        assert_eq!(sql("it's"), "'it''s'");
        assert_eq!(shell("it's"), r"'it'\''s'");
    }
}
