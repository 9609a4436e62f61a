//! Files, whole and in parts.

use std::{
    fs,
    io::{Read, Write},
    thread,
};

use tests::{
    server::{Answer, EMPTY_ARCHIVE, Server, Setup, workbook},
    store_folder::sha256,
    workplace::Workplace,
};

use super::{server, store};

const WORKBOOK: &str = "/api/k8s/reports/ticketing-report-2025-01.xlsx";
const TICKETS: &str = "/api/k8s/snapshots/2025-01/2/tickets.parquet";

fn with(server: &Server, path: &str, headers: &[(&str, &str)]) -> Answer {
    headers.iter().fold(server.request("GET", path), |request, (name, value)| request.header(name, value)).send()
}

#[test]
fn files_come_whole_with_what_tells_one_version_from_another() {
    let (server, store) = (server(), store());
    for (path, file, name, media) in [
        (
            WORKBOOK,
            "ticketing-report-2025-01.xlsx",
            "ticketing-report-2025-01.xlsx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
        (
            TICKETS,
            "editions/2025-01/2/tickets.parquet",
            "tickets-2025-01-edition-2.parquet",
            "application/vnd.apache.parquet",
        ),
    ] {
        let expected = fs::read(store.file(file)).unwrap();
        let tag = format!("\"{}\"", sha256(&store.file(file)).unwrap());
        let answer = server.get(path);
        assert_eq!(answer.status, 200);
        assert!(answer.body == expected, "{path}");
        let encoded = name.replace('-', "%2D").replace('.', "%2E");
        for (header, value) in [
            ("etag", tag.as_str()),
            ("content-type", media),
            ("accept-ranges", "bytes"),
            ("content-length", &expected.len().to_string()),
            ("content-disposition", &format!("attachment; filename=\"{name}\"; filename*=UTF-8''{encoded}")),
            ("cache-control", "private, no-cache"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(answer.header(header), Some(value), "{path}: {header}");
        }
        assert!(answer.header("last-modified").unwrap().ends_with(" GMT"));

        let head = server.request("HEAD", path).send();
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.header("content-length"), answer.header("content-length"));
        assert_eq!(head.header("etag"), answer.header("etag"));
    }
}

#[test]
fn parts_of_files_are_just_those_parts() {
    let server = server();
    let whole = server.get(TICKETS).body;
    let size = whole.len();
    let cases = [
        ("bytes=0-0", 0..1),
        ("bytes=4-99", 4..100),
        ("bytes=100-", 100..size),
        ("bytes=-8", size - 8..size),
        (&format!("bytes=10-{}", size * 2), 10..size),
        (&format!("bytes=-{}", size * 2), 0..size),
    ];
    for (asked, range) in cases {
        let answer = with(&server, TICKETS, &[("range", asked)]);
        assert_eq!(answer.status, 206, "{asked}");
        assert!(answer.body == whole[range.clone()], "{asked}");
        let of = format!("bytes {}-{}/{size}", range.start, range.end - 1);
        assert_eq!(answer.header("content-range"), Some(of.as_str()), "{asked}");
        assert_eq!(answer.header("content-length"), Some(range.len().to_string().as_str()), "{asked}");
    }
    for asked in [format!("bytes={size}-"), "bytes=99999999999-99999999999".to_owned(), "bytes=-0".to_owned()] {
        let answer = with(&server, TICKETS, &[("range", &asked)]);
        assert_eq!(answer.header("content-range"), Some(format!("bytes */{size}").as_str()), "{asked}");
        assert!(answer.problem(416).contains(&size.to_string()));
    }
    // What isn't understood, and several parts, get the whole: that is always allowed.
    for asked in ["lines=1-2", "bytes=x", "bytes=5-2", "bytes=0-1,5-6"] {
        let answer = with(&server, TICKETS, &[("range", asked)]);
        assert!(answer.status == 200 && answer.body == whole, "{asked}: {}", answer.status);
    }
}

#[test]
fn conditions_are_held_to() {
    let server = server();
    let tag = server.get(TICKETS).header("etag").unwrap().to_owned();
    let modified = server.get(TICKETS).header("last-modified").unwrap().to_owned();
    let other = "\"0000\"";
    let weak = format!("W/{tag}");
    let both = format!("{other}, {tag}");
    for (headers, status) in [
        (vec![("if-none-match", tag.as_str())], 304),
        (vec![("if-none-match", both.as_str())], 304),
        (vec![("if-none-match", "*")], 304),
        (vec![("if-none-match", weak.as_str())], 304),
        (vec![("if-none-match", other)], 200),
        (vec![("if-match", tag.as_str())], 200),
        (vec![("if-match", "*")], 200),
        (vec![("if-match", other)], 412),
        (vec![("range", "bytes=0-3"), ("if-range", tag.as_str())], 206),
        (vec![("range", "bytes=0-3"), ("if-range", other)], 200),
        (vec![("range", "bytes=0-3"), ("if-range", weak.as_str())], 200),
        (vec![("range", "bytes=0-3"), ("if-range", modified.as_str())], 206),
        (vec![("range", "bytes=0-3"), ("if-range", "Mon, 01 Jan 2001 00:00:00 GMT")], 200),
    ] {
        let answer = with(&server, TICKETS, &headers);
        assert_eq!(answer.status, status, "{headers:?}");
        if status == 304 {
            assert!(answer.body.is_empty() && answer.header("etag") == Some(tag.as_str()), "{headers:?}");
        }
    }
}

#[test]
fn the_latest_snapshot_says_which_edition_it_is() {
    let server = server();
    let answer = server.get("/api/k8s/snapshots/2025-01/latest/tickets.parquet");
    assert_eq!(answer.header("content-location"), Some(TICKETS));
    assert!(answer.body == server.get(TICKETS).body);
    assert_eq!(server.get("/api/k8s/snapshots/2025-01/1/exceptions.parquet").status, 200);
}

#[test]
fn a_workbook_that_is_replaced_is_sent_to_its_end_as_it_was() {
    let work = Workplace::new();
    fs::create_dir(work.store().path()).unwrap();
    let name = "ticketing-report-2001-01.xlsx";
    let (file, next) = (work.store().file(name), work.file("next"));
    let content = |byte: u8| workbook(byte, 12_000_000);
    fs::write(&file, content(b'1')).unwrap();
    let server = Setup::new(&work.store()).start();
    let path = format!("/api/k8s/reports/{name}");
    let before = server.request("HEAD", &path).send().header("etag").unwrap().to_owned();

    let mut stream = server.request("GET", &path).open();
    let mut beginning = [0; 4096];
    stream.read_exact(&mut beginning).unwrap();
    fs::write(&next, content(b'2')).unwrap();
    fs::rename(&next, &file).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    let whole = [&beginning[..], &rest].concat();
    let body = whole.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert!(whole[body..] == content(b'1')[..], "two versions in one answer");

    let after = server.get(&path);
    assert!(after.body == content(b'2'));
    assert_ne!(after.header("etag").unwrap(), before);
    // A part of what was begun before isn't mixed with what is there now.
    let headers = [("range", "bytes=6000000-"), ("if-range", before.as_str())];
    assert!(with(&server, &path, &headers).body == content(b'2'));
}

#[test]
fn more_downloads_than_allowed_are_told_to_come_back() {
    let work = Workplace::new();
    fs::create_dir(work.store().path()).unwrap();
    let name = "ticketing-report-2001-01.xlsx";
    fs::write(work.store().file(name), workbook(7, 30_000_000)).unwrap();
    let server = Setup::new(&work.store()).with(&["--downloads", "2"]).start();
    let path = format!("/api/k8s/reports/{name}");
    // Two that are begun and don't go on.
    let held: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = server.request("GET", &path).open();
            stream.read_exact(&mut [0; 1024]).unwrap();
            stream
        })
        .collect();
    let answer = server.get(&path);
    assert_eq!(answer.header("retry-after"), Some("2"));
    assert!(answer.problem(503).contains("too many downloads"));
    assert_eq!(server.get("/api/k8s/reports").status, 200);
    drop(held);
    tests::waiting::until("there is room again", || (server.get(&path).status == 200).then_some(()));
}

#[test]
fn twenty_downloads_at_once_are_all_whole() {
    let work = Workplace::new();
    fs::create_dir(work.store().path()).unwrap();
    let name = "ticketing-report-2001-01.xlsx";
    let mut file = fs::File::create(work.store().file(name)).unwrap();
    let mut content: Vec<u8> =
        (0..5_u32 << 20).map(|i| u8::try_from(i.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect();
    content.extend(EMPTY_ARCHIVE);
    file.write_all(&content).unwrap();
    let server = Setup::new(&work.store()).start();
    let path = format!("/api/k8s/reports/{name}");
    thread::scope(|scope| {
        let asked: Vec<_> = (0..20).map(|_| scope.spawn(|| server.get(&path))).collect();
        for answer in asked {
            assert!(answer.join().unwrap().body == content);
        }
    });
}
