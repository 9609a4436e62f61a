//! Reports in a bucket: the same files, the same promises.

use tests::{
    bucket::{Bucket, S3Server},
    database::{Database, Kind, SMALL},
    server::Setup,
    store_folder::{StoreFolder, sha256},
    tools::{python_command, run},
    workplace::Workplace,
};

use super::{JANUARY, PLAIN, demo, fetched, report};

over_both_servers! {
    a_report_in_a_bucket_has_the_same_files_as_in_a_folder,
    a_second_report_of_unchanged_data_names_the_workbook_that_is_there,
    changed_data_makes_the_next_edition_which_takes_the_name,
    an_edition_in_a_bucket_is_listed_checked_and_rendered_again,
    a_run_that_is_terminated_while_it_uploads_leaves_nothing_visible_and_the_next_succeeds,
    the_server_lists_starts_and_serves_reports_in_a_bucket,
    analysts_read_all_months_of_a_bucket_as_they_read_a_folder,
}

fn a_report_in_a_bucket_has_the_same_files_as_in_a_folder(bucket: &Bucket) {
    let (work, database) = demo();
    work.succeed(&database, &[&JANUARY[..], &["--store", "reports"]].concat());
    let ended = report(&work, &database, bucket, &[]);
    assert!(ended.last_line().ends_with(&format!("{}/{PLAIN}", bucket.address())), "{}", ended.last_line());

    let visible = |paths: Vec<String>| paths.into_iter().filter(|path| !path.starts_with("state/")).collect::<Vec<_>>();
    assert_eq!(visible(bucket.paths()), visible(work.store().paths()));
    let copy = fetched(&work, bucket, "copy");
    copy.assert_settled();
    let (here, there) = (work.store().manifest(), copy.manifest());
    assert_eq!((here.digest, here.rows), (there.digest, there.rows));
    // The cut's moment is in the files: their rows are compared, their bytes can't be.
    assert_eq!(work.store().manifests()[0].summary, copy.manifests()[0].summary);
    assert!(!bucket.has_open_uploads());
}

fn a_second_report_of_unchanged_data_names_the_workbook_that_is_there(bucket: &Bucket) {
    let (work, database) = demo();
    report(&work, &database, bucket, &[]);
    let before = bucket.paths();
    let ended = report(&work, &database, bucket, &["--output", "extra.xlsx"]);
    assert!(ended.last_line().contains("nothing has changed since edition 1"), "{}", ended.last_line());
    assert_eq!(std::fs::read(work.file("extra.xlsx")).unwrap(), bucket.read(PLAIN));
    let runs =
        |paths: Vec<String>| paths.into_iter().filter(|path| !path.starts_with("state/runs/")).collect::<Vec<_>>();
    assert_eq!(runs(bucket.paths()), runs(before));
}

fn changed_data_makes_the_next_edition_which_takes_the_name(bucket: &Bucket) {
    let (work, database) = demo();
    report(&work, &database, bucket, &[]);
    let first = bucket.read(PLAIN);
    database.execute("UPDATE tickets SET price = price + 1");
    report(&work, &database, bucket, &[]);
    assert_eq!(bucket.read("ticketing-report-2025-01-edition-1.xlsx"), first);
    let copy = fetched(&work, bucket, "copy");
    copy.assert_settled();
    assert_eq!(copy.numbers("2025-01"), [1, 2]);
    assert!(copy.edition("2025-01", 2).changes.unwrap().changed > 0);
}

#[test]
fn six_runs_at_once_in_a_bucket_make_one_edition_and_all_succeed() {
    let ((work, database), bucket) = (demo(), Bucket::new(S3Server::Moto));
    let address = bucket.address();
    let arguments = [&JANUARY[..], &["--store", &address]].concat();
    let runs: Vec<_> = (0..6).map(|_| work.with(&database, &arguments).reaching(&bucket).start()).collect();
    for run in runs {
        assert!(run.finish().succeeded().last_line().ends_with(PLAIN));
    }
    let copy = fetched(&work, &bucket, "copy");
    assert_eq!(copy.manifest().edition, 1);
    copy.assert_settled();
}

fn an_edition_in_a_bucket_is_listed_checked_and_rendered_again(bucket: &Bucket) {
    let (work, database) = demo();
    report(&work, &database, bucket, &[]);
    let store = ["--store", &bucket.address()];
    let command = |arguments: &[&str]| {
        let arguments = [arguments, &store[..]].concat();
        work.with(&database, &arguments).reaching(bucket).finish().succeeded()
    };
    assert!(command(&["list"]).stdout.contains(PLAIN));
    command(&["render", "2025-01", "--output", "again.xlsx"]);
    assert_eq!(std::fs::read(work.file("again.xlsx")).unwrap(), bucket.read(PLAIN));
    let arguments = [&["check", "--period", "2025-01", "--repair"], &store[..]].concat();
    let checked = work.with(&database, &arguments).reaching(bucket).finish().stdout;
    assert!(checked.contains("editions: 1 published"), "{checked}");
    // One of the servers honours no conditions, which is a failure of its own.
    let failed: Vec<_> = checked.lines().filter(|line| line.starts_with("FAILED")).collect();
    assert!(failed.iter().all(|line| line.contains("If-None-Match")), "{checked}");
}

#[test]
fn the_check_tells_buckets_that_honour_conditions_from_those_that_do_not() {
    let (work, database) = demo();
    for (server, code, words) in [
        (S3Server::Moto, 0, "creates nothing twice"),
        (S3Server::InProcess, 1, "doesn't refuse to create an object that is there already (If-None-Match)"),
    ] {
        let bucket = Bucket::new(server);
        report(&work, &database, &bucket, &[]);
        let arguments = ["check", "--period", "2025-01", "--store", &bucket.address()];
        let ended = work.with(&database, &arguments).reaching(&bucket).finish();
        assert_eq!(ended.code(), Some(code), "{}", ended.stdout);
        assert!(ended.stdout.contains(words), "{}", ended.stdout);
        assert_eq!(ended.stdout.contains("FAILED"), code != 0, "{}", ended.stdout);
    }
}

#[test]
fn a_bucket_that_does_not_know_the_key_is_named_with_what_it_says() {
    let ((work, database), bucket) = (demo(), Bucket::new(S3Server::InProcess));
    let address = bucket.address();
    let arguments = [&JANUARY[..], &["--quiet", "--store", &address]].concat();
    let ended = work.with(&database, &arguments).reaching(&bucket).env("AWS_SECRET_ACCESS_KEY", "guessed").finish();
    let said = ended.failed(78);
    assert!(said.contains("SignatureDoesNotMatch"), "{said}");
    assert!(bucket.paths().is_empty());
}

fn a_run_that_is_terminated_while_it_uploads_leaves_nothing_visible_and_the_next_succeeds(bucket: &Bucket) {
    let work = Workplace::new();
    let database = Database::demo(Kind::Sqlite, &tests::database::MEDIUM);
    let address = bucket.address();
    let arguments = [&JANUARY[..], &["--store", &address]].concat();
    let run = work.with(&database, &arguments).reaching(bucket).start();
    run.until_event("the workbook is made", |event| event["event"] == "finished" && event["stage"] == "workbook");
    run.signal("TERM");
    // Whichever was first: the upload's end, the manifest or the signal.
    let ended = run.finish();
    assert!(matches!(ended.code(), Some(0 | 143)), "{:?}", ended.stderr);
    let paths = bucket.paths();
    if !paths.iter().any(|path| path.ends_with("manifest.json")) {
        assert!(!paths.iter().any(|path| path.ends_with(".xlsx") && !path.contains('/')), "{paths:?}");
    }
    report(&work, &database, bucket, &[]);
    let copy = fetched(&work, bucket, "copy");
    copy.assert_settled();
    assert_eq!(copy.manifests().len(), 1);
}

#[test]
fn a_bucket_that_is_not_there_and_one_that_cannot_be_reached_are_told_apart() {
    let ((work, database), bucket) = (demo(), Bucket::new(S3Server::Moto));
    let arguments = [&JANUARY[..], &["--quiet", "--store", "s3://nobodys/reports"]].concat();
    let ended = work.with(&database, &arguments).reaching(&bucket).finish();
    assert!(
        ended.failed(78).contains("bucket doesn't exist (The specified bucket does not exist)"),
        "{:?}",
        ended.stderr
    );

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let arguments = [&JANUARY[..], &["--quiet", "--store", "s3://reports/x"]].concat();
    let run = work.with(&database, &arguments).reaching(&bucket).env("AWS_ENDPOINT_URL", &format!("http://{nobody}"));
    assert!(run.finish().failed(75).contains("didn't answer"));

    let ended = work.with(&database, &[&JANUARY[..], &["--quiet", "--store", "ftp://reports/x"]].concat()).finish();
    assert!(ended.failed(78).contains("s3://bucket/folder"));
}

fn the_server_lists_starts_and_serves_reports_in_a_bucket(bucket: &Bucket) {
    let (work, database) = demo();
    report(&work, &database, bucket, &[]);
    let nowhere = StoreFolder::new(work.file("nowhere"));
    let server = Setup::new(&nowhere).database(&database).bucket(bucket).start();
    assert_eq!(server.get("/api/k8s/reports").json(200)["reports"], serde_json::json!([PLAIN]));
    let whole = bucket.read(PLAIN);
    assert_eq!(server.get(&format!("/api/k8s/reports/{PLAIN}")).body, whole);
    let part = server.request("GET", &format!("/api/k8s/reports/{PLAIN}")).header("range", "bytes=100-299").send();
    assert_eq!((part.status, &part.body[..]), (206, &whole[100..300]));
    let tickets = server.get("/api/k8s/snapshots/2025-01/latest/tickets.parquet");
    assert_eq!(tickets.body, bucket.read("editions/2025-01/1/tickets.parquet"));
    assert_eq!(server.get("/readyz").status, 200);

    let job = server.post("/api/k8s/jobs/ticketing-report?startDate=2025-02-01&endDate=2025-02-28").json(200);
    let job = server.until_over(job["jobName"].as_str().unwrap());
    assert_eq!(job["state"], "succeeded", "{job}");
    assert!(bucket.paths().contains(&"ticketing-report-2025-02.xlsx".to_owned()));
    assert_eq!(server.get("/api/k8s/reports").json(200)["count"], 2);
    assert_eq!(server.terminate(), Some(0));
    assert!(!nowhere.path().exists());
}

fn analysts_read_all_months_of_a_bucket_as_they_read_a_folder(bucket: &Bucket) {
    let (work, database) = demo();
    let (mut rows, mut cents) = (0, 0);
    for month in ["2025-01", "2025-02"] {
        let arguments = ["--period", month, "--store", &bucket.address()];
        work.with(&database, &arguments).reaching(bucket).finish().succeeded();
    }
    for manifest in fetched(&work, bucket, "copy").manifests() {
        rows += manifest.rows;
        cents += manifest.tables["tickets"].totals.values().map(|total| total.amount.0).sum::<i128>();
    }
    let expected = format!("{rows} {}.{:02} 2025-01,2025-02\n", cents / 100, cents % 100);
    let address = bucket.address();
    let path = address.trim_start_matches("s3://");
    for (packages, reader) in
        [("analysts", "polars"), ("analysts", "pyarrow"), ("analysts", "pandas"), ("duckdb", "duckdb")]
    {
        let mut command = python_command(packages, "analysts/bucket.py");
        assert_eq!(run(command.args([reader, &bucket.endpoint(), path])), expected, "{reader}");
    }
}

#[test]
fn half_made_files_beside_a_bucket_are_readable_by_nobody_else_and_gone_afterwards() {
    let ((work, database), bucket) = (demo(), Bucket::new(S3Server::InProcess));
    let scratch = work.file("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let address = bucket.address();
    let arguments = [&JANUARY[..], &["--store", &address]].concat();
    let run = || work.with(&database, &arguments).reaching(&bucket).env("TMPDIR", scratch.to_str().unwrap());
    run().finish().succeeded();
    assert_eq!(scratch.read_dir().unwrap().count(), 0);
    assert!(sha256(&work.file("ticketing-report.xlsx")).is_none());

    let database = Database::demo(Kind::Postgres, &SMALL);
    let mut client = database.postgres().client();
    let mut lock = client.transaction().unwrap();
    lock.batch_execute("LOCK TABLE stations IN ACCESS EXCLUSIVE MODE").unwrap();
    let waiting = work.with(&database, &arguments).reaching(&bucket).env("TMPDIR", scratch.to_str().unwrap()).start();
    let folder =
        tests::waiting::until("there is a folder", || Some(scratch.read_dir().unwrap().next()?.unwrap().path()));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&folder).unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    let half_made = StoreFolder::new(folder);
    tests::waiting::until("a file is half made", || half_made.half_made().pop());
    waiting.signal("TERM");
    assert_eq!(waiting.finish().code(), Some(143));
    assert_eq!(scratch.read_dir().unwrap().count(), 0);
    lock.rollback().unwrap();
}
