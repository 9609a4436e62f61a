//! What holds for all pages, whatever they are given.

use jiff::Timestamp;
use pipeline::manifest::Money;

use super::{
    home, job, problem, sign_in,
    view::{Home, JobView, Listing, Month, MonthState, ReportItem, Role, StoreState, Viewer},
};
use crate::launcher::{Job, JobMonth, JobState, PeriodKind};

const HOSTILE: &str = "\"><script>alert('1')</script>";

fn viewer(role: Role) -> Viewer {
    Viewer { name: Some(HOSTILE.to_owned()), role, signed_in: true }
}

fn now() -> Timestamp {
    "2025-12-01T08:00:00Z".parse().unwrap()
}

fn failed_job() -> Job {
    Job {
        job_name: "ticketing-report-7".to_owned(),
        namespace: HOSTILE.to_owned(),
        state: JobState::Failed,
        period: PeriodKind::PreviousMonth,
        start_date: "2025-11-01".parse().unwrap(),
        end_date: "2025-11-30".parse().unwrap(),
        creation_timestamp: now(),
        start_time: None,
        completion_time: None,
        stage: Some(HOSTILE.to_owned()),
        rows: None,
        percent: None,
        reason: Some(HOSTILE.to_owned()),
        exit_code: Some(75),
        report: None,
        period_id: None,
        edition: None,
        unchanged: false,
        run: None,
        months: vec![JobMonth { reason: Some(HOSTILE.to_owned()), ..JobMonth::new("2025-11".parse().unwrap()) }],
        all: false,
    }
}

fn page(role: Role, store: StoreState, state: MonthState) -> Home {
    let month = Month {
        id: "2025-11".to_owned(),
        first: "2025-11-01".parse().unwrap(),
        last: "2025-11-30".parse().unwrap(),
        state,
        edition: Some(1),
        rows: Some(1500),
        net: vec![(HOSTILE.to_owned(), Money(123_450))],
        reason: Some(HOSTILE.to_owned()),
        job: Some("ticketing-report-7".to_owned()),
        report: Some("ticketing-report-2025-11.xlsx".to_owned()),
    };
    let item = ReportItem {
        name: HOSTILE.to_owned(),
        size: 2048,
        unmanaged: true,
        period: None,
        edition: None,
        newest: false,
        provisional: true,
        rows: None,
        net: Vec::new(),
        failed_controls: Some(1),
        created: now(),
    };
    Home {
        viewer: viewer(role),
        now: now(),
        today: "2025-12-01".parse().unwrap(),
        zone: "Europe/Rome".to_owned(),
        store,
        months: vec![month],
        jobs: vec![failed_job()],
        reports: Listing {
            items: vec![item],
            total: 90,
            offset: 30,
            limit: 30,
            search: "a b&c".to_owned(),
            sort: "size".to_owned(),
            descending: true,
        },
        snapshots: Vec::new(),
        base: "http://localhost:8080".to_owned(),
        store_address: HOSTILE.to_owned(),
        can_start: role == Role::Operator,
    }
}

fn ready() -> StoreState {
    StoreState::Ready { bytes: 1, free: Some(1) }
}

#[test]
fn what_others_wrote_never_becomes_markup() {
    let gone = StoreState::Gone(HOSTILE.to_owned());
    let pages = [
        home::home(&page(Role::Operator, ready(), MonthState::Failed)),
        home::home(&page(Role::Viewer, gone, MonthState::Running)),
        job::job(&JobView {
            viewer: viewer(Role::Operator),
            job: failed_job(),
            log: Some(HOSTILE.to_owned()),
            zone: HOSTILE.to_owned(),
        }),
        problem::problem(Some(&viewer(Role::Viewer)), 404, HOSTILE, HOSTILE),
        sign_in::sign_in(true, HOSTILE),
    ];
    for page in pages.map(|page| page.into_string()) {
        assert!(page.contains("&lt;script&gt;alert"), "{page}");
        assert!(!page.contains("<script>"), "{page}");
        // The content policy forbids both.
        assert!(!page.contains(" style=") && !page.contains(" onclick="), "{page}");
    }
}

#[test]
fn only_operators_see_what_starts_and_ends_jobs() {
    for (role, sees) in [(Role::Viewer, false), (Role::Analyst, false), (Role::Operator, true)] {
        let page = home::home(&page(role, ready(), MonthState::Published)).into_string();
        assert_eq!(page.contains("action=\"/start\""), sees, "{role:?}");
    }
}

#[test]
fn every_state_of_a_month_is_told_in_words() {
    let states = [
        (MonthState::Published, "published"),
        (MonthState::ControlsFailed, "controls failed"),
        (MonthState::Missing, "missing"),
        (MonthState::Running, "running"),
        (MonthState::Failed, "failed"),
        (MonthState::Outdated, "outdated"),
    ];
    for (state, words) in states {
        let page = home::home(&page(Role::Viewer, ready(), state)).into_string();
        assert!(page.contains(&format!("</svg>{words}</span>")), "{words}");
    }
}

#[test]
fn headings_and_pages_of_the_list_keep_the_search() {
    let page = home::home(&page(Role::Viewer, ready(), MonthState::Published)).into_string();
    for link in [
        "/?sort=size&amp;order=asc&amp;search=a%20b%26c#workbooks",
        "/?sort=name&amp;order=asc&amp;search=a%20b%26c#workbooks",
        "/?sort=size&amp;order=desc&amp;search=a%20b%26c&amp;offset=31#workbooks",
        "/?sort=size&amp;order=desc&amp;search=a%20b%26c#workbooks",
    ] {
        assert!(page.contains(&format!("href=\"{link}\"")), "{link}");
    }
    assert!(page.contains("aria-sort=\"descending\""));
}
