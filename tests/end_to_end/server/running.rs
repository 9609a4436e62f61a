//! How the server begins and ends.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    process::Command,
};

use tests::{
    server::{Setup, workbook},
    tools, waiting,
    workplace::Workplace,
};

use super::{server, store};

#[test]
fn what_is_under_way_comes_to_its_end_when_the_server_is_terminated() {
    let work = Workplace::new();
    fs::create_dir(work.store().path()).unwrap();
    let name = "ticketing-report-2001-01.xlsx";
    fs::write(work.store().file(name), workbook(9, 20_000_000)).unwrap();
    let server = Setup::new(&work.store()).start();
    let mut stream = server.request("GET", &format!("/api/k8s/reports/{name}")).open();
    let mut beginning = [0; 1024];
    stream.read_exact(&mut beginning).unwrap();
    let mut events = server.request("GET", "/api/k8s/events").open();
    events.read_exact(&mut [0; 16]).unwrap();
    let address = server.address.clone();
    let ending = std::thread::spawn(move || server.terminate());
    waiting::until("nobody new is let in", || TcpStream::connect(&address).is_err().then_some(()));
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(beginning.len() + rest.len() > 20_000_000, "cut off after {}", rest.len());
    // Streams of events end as well.
    events.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(ending.join().unwrap(), Some(0));
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let server = server();
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    stream.set_read_timeout(Some(waiting::SOON)).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn many_connections_are_served_over_one() {
    let server = server();
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let ask = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", server.address);
    for _ in 0..50 {
        stream.write_all(ask.as_bytes()).unwrap();
        let mut answer = [0; 64 * 1024];
        let read = stream.read(&mut answer).unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
    }
}

#[test]
fn the_server_holds_nothing_that_reads_a_database() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments =
        ["tree", "--locked", "--offline", "-p", "server", "-e", "normal", "--prefix", "none", "-f", "{lib}"];
    let tree = tools::run(Command::new(cargo).args(arguments).current_dir(root));
    for forbidden in ["polars", "connectorx", "openssl", "postgres", "rusqlite", "rust_xlsxwriter", "arrow", "parquet"]
    {
        // `openssl_probe` is none of it: it only knows where systems keep their certificates.
        let is_it =
            |line: &str| line == forbidden || line.starts_with(&format!("{forbidden}_")) && line != "openssl_probe";
        assert!(!tree.lines().any(is_it), "{forbidden}");
    }
    assert!(tree.lines().any(|line| line == "axum"), "{tree}");
}

#[test]
fn manifests_that_cannot_be_read_hide_nothing_else() {
    let work = Workplace::new();
    tools::run(Command::new("cp").arg("-r").arg(store().path()).arg(work.store().path()));
    fs::write(work.store().file("editions/2025-02/1/manifest.json"), b"{\"period\":").unwrap();
    let server = Setup::new(&work.store()).start();
    let list = server.get("/api/k8s/reports").json(200);
    assert_eq!(list["count"], 5, "the workbook of the damaged edition is still a report: {list}");
    assert_eq!(server.get("/api/k8s/snapshots").json(200)["count"], 2);
    assert!(server.get("/metrics").text().contains("report_damaged_manifests 1\n"));
    assert_eq!(server.get("/api/k8s/snapshots/2025-02/1/tickets.parquet").status, 500);
    assert!(server.log().contains("a manifest can't be read"));
}
