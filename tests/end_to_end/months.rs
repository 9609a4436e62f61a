//! The borders of months: in every time zone the months together hold each ticket exactly once.

use std::collections::BTreeMap;

use jiff::civil::date;
use pipeline::{demo::DemoOptions, period::ReportTimeZone};
use tests::{
    database::{Database, Kind, SMALL},
    workplace::Workplace,
};

over_both_databases! {
    the_months_together_hold_every_ticket_once_in_every_time_zone,
}

/// Months in which midnight doesn't exist in São Paulo, comes twice in Rome's October night, and in which Apia leaves
/// out a whole day.
const OPTIONS: DemoOptions = DemoOptions { tickets: 700, first_month: date(2011, 10, 1), months: 5, seed: 1 };

const MONTHS: [&str; 7] = ["2011-09", "2011-10", "2011-11", "2011-12", "2012-01", "2012-02", "2012-03"];

/// Instants in which a day begins or ends somewhere, and a microsecond before each.
const BORDERS: [&str; 16] = [
    "2011-10-01T00:00:00Z",
    "2011-10-31T23:59:59.999999Z",
    // Rome, in summer and in winter time.
    "2011-09-30T21:59:59.999999Z",
    "2011-09-30T22:00:00Z",
    "2011-10-31T22:59:59.999999Z",
    "2011-10-31T23:00:00Z",
    // São Paulo's summer time begins at a midnight, and ends in one.
    "2011-10-01T02:59:59.999999Z",
    "2011-10-01T03:00:00Z",
    "2011-11-01T01:59:59.999999Z",
    "2011-11-01T02:00:00Z",
    "2012-03-01T02:59:59.999999Z",
    "2012-03-01T03:00:00Z",
    // Apia: before it has left out 30 December it is the last to begin a month, afterwards the first.
    "2011-12-01T09:59:59.999999Z",
    "2011-12-01T10:00:00Z",
    "2011-12-31T09:59:59.999999Z",
    "2011-12-31T10:00:00Z",
];

fn the_months_together_hold_every_ticket_once_in_every_time_zone(kind: Kind) {
    let database = Database::demo(kind, &OPTIONS);
    // PostgreSQL's own calendar, of the same tickets, says in which month each belongs.
    let judge = Database::demo(Kind::Postgres, &OPTIONS);
    for (i, instant) in BORDERS.iter().enumerate() {
        for database in [&database, &judge] {
            database.execute(&format!(
                "INSERT INTO tickets (id, trip_id, ticket_ref, price, status, issued_at) \
                 SELECT '00000000-0000-4000-8000-{i:012}', min(CAST(id AS text)){}, 'BORDER{i:02}', 1, 'issued', {} FROM trips",
                if database.kind() == Kind::Postgres { "::uuid" } else { "" },
                database.instant(instant),
            ));
        }
    }
    let mut months: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
    let zones = ["UTC", "Europe/Rome", "America/Sao_Paulo", "Pacific/Apia"];
    for zone in zones {
        let sql = "SELECT ticket_ref, to_char(issued_at AT TIME ZONE $1, 'YYYY-MM') FROM tickets";
        let rows = judge.postgres().client().query(sql, &[&zone]).unwrap();
        let expected: BTreeMap<String, String> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(expected.len(), 716);

        let work = Workplace::new();
        for month in MONTHS {
            work.succeed(&database, &["--period", month, "--time-zone", zone]);
        }
        let store = work.store();
        let mut found = BTreeMap::new();
        for manifest in store.manifests() {
            for reference in store.table(&manifest, "tickets").column("ticket_ref") {
                let before = found.insert(reference.text().to_owned(), manifest.period.to_string());
                assert_eq!(before, None, "{reference} is in two months in {zone}");
            }
        }
        for (reference, month) in &expected {
            assert_eq!(found.get(reference), Some(month), "{reference} in {zone}");
        }
        assert_eq!(found.len(), expected.len(), "{zone}");
        months.insert(zone, found);
    }
    for other in &zones[1..] {
        assert_ne!(months["UTC"], months[other], "{other} must differ from UTC for this test to say anything");
    }
}

/// The name of the Job that the schedule makes for a moment, in minutes since 1970.
fn job_of(moment: &str) -> String {
    let moment: jiff::Timestamp = moment.parse().unwrap();
    format!("ticketing-report-cronjob-{}", moment.as_second() / 60)
}

#[test]
fn a_run_that_the_schedule_made_reports_the_month_before_its_own_time_however_late_it_is() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    let run = |job: &str, zone: &str| {
        let arguments = ["--period", "previous-month", "--time-zone", zone, "--store", "reports", "--quiet"];
        work.with(&database, &arguments).env("REPORT_SCHEDULED_BY", job).finish()
    };
    run(&job_of("2025-02-01T02:00:00Z"), "Europe/Rome").succeeded();
    assert_eq!(work.store().manifest().period.to_string(), "2025-01");
    // In New York it is January still, in Rome it is February while it isn't in UTC: which one does the schedule mean?
    for (moment, zone) in [("2025-02-01T02:00:00Z", "America/New_York"), ("2025-01-31T23:30:00Z", "Europe/Rome")] {
        let ended = run(&job_of(moment), zone);
        let error = ended.failed(78);
        assert!(error.contains(moment) && error.contains(zone), "{error}");
    }
    assert!(run(&job_of("2125-02-01T02:00:00Z"), "UTC").failed(78).contains("2125-01-01 to 2125-01-31"));
    // Only the schedule's own names tell a time.
    for job in ["ticketing-report-cronjob-by-hand", "ticketing-report-28972980", "ticketing-report-cronjob-", ""] {
        run(job, "UTC").succeeded();
    }
    let months: Vec<_> = work.store().manifests().iter().map(|manifest| manifest.period.to_string()).collect();
    let now = ReportTimeZone::utc().date_at(jiff::Timestamp::now()).first_of_month().yesterday().unwrap();
    assert_eq!(months, ["2025-01".to_owned(), now.strftime("%Y-%m").to_string()]);
}

#[test]
fn the_month_of_the_schedule_is_that_of_the_schedules_own_time_zone() {
    let (work, database) = (Workplace::new(), Database::demo(Kind::Sqlite, &SMALL));
    let run = |moment: &str, schedule: &str, zone: &str| {
        let arguments = ["--period", "previous-month", "--time-zone", zone, "--store", "reports", "--quiet"];
        let variables = [("REPORT_SCHEDULED_BY", job_of(moment)), ("REPORT_SCHEDULE_TIME_ZONE", schedule.to_owned())];
        let run = work.with(&database, &arguments);
        variables.iter().fold(run, |run, (name, value)| run.env(name, value)).finish()
    };
    for (moment, schedule, zone, period) in [
        // At 02:00 on the 1st of February in Tokyo, when in UTC it is January still.
        ("2025-01-31T17:00:00Z", "Asia/Tokyo", "Asia/Tokyo", "2025-01"),
        // The same moment by a schedule in UTC, for an evening of the 31st.
        ("2025-01-31T17:00:00Z", "Etc/UTC", "Asia/Tokyo", "2024-12"),
        // At 22:00 on the 31st of January in Lima, when elsewhere it is February.
        ("2025-02-01T03:00:00Z", "America/Lima", "Europe/Rome", "2024-12"),
        // Without a zone, where it makes no difference.
        ("2025-02-01T02:00:00Z", "", "Europe/Rome", "2025-01"),
    ] {
        let ended = run(moment, schedule, zone).succeeded();
        assert!(ended.stdout.contains(period), "{moment} {schedule} {zone}: {:?}", ended.stdout);
    }
    // February has begun in Tokyo, where the schedule is, but January isn't over where the report's days are.
    let tokyo: ReportTimeZone = "Asia/Tokyo".parse().unwrap();
    let first = tokyo.date_at(jiff::Timestamp::now()).last_of_month().tomorrow().unwrap();
    let moment = tokyo.start_of(first).unwrap().to_string();
    let ended = run(&moment, "Asia/Tokyo", "America/Lima");
    let error = ended.failed(78);
    assert!(error.contains(&format!("scheduled for {first}")) && error.contains("America/Lima"), "{error}");
    assert!(run(&moment, "Asia/Atlantis", "America/Lima").failed(2).contains("Asia/Atlantis"));
}
