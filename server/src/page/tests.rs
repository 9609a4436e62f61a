//! What holds for all pages, whatever they are given.

use jiff::Timestamp;
use pipeline::manifest::Money;

use super::{
    backfill, home, job, problem, sign_in,
    view::{
        BackfillView, Doubtful, Home, JobView, Listing, Month, MonthState, ProblemView, ReportItem, Role, StoreState,
        Viewer,
    },
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
        doubtful: Doubtful::default(),
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

fn shown(job: Job) -> JobView {
    JobView {
        viewer: viewer(Role::Operator),
        job,
        doubtful: Doubtful::default(),
        log: Some(HOSTILE.to_owned()),
        zone: HOSTILE.to_owned(),
        in_cluster: true,
    }
}

fn refusal(status: u16, detail: &str) -> ProblemView {
    let (viewer, from) = (Some(viewer(Role::Viewer)), Some("/?search=\"".to_owned()));
    ProblemView { viewer, status, title: "Bad Request", detail: detail.to_owned(), from }
}

/// A job that has published the second edition of November, as a report of its own or as a month of a backfill.
fn published(period: PeriodKind) -> Job {
    let mut job = Job { state: JobState::Succeeded, period, stage: None, reason: None, ..failed_job() };
    if period == PeriodKind::Backfill {
        let month = &mut job.months[0];
        (month.state, month.reason, month.edition) = (JobState::Succeeded, None, Some(2));
    } else {
        (job.period_id, job.edition, job.months) = (Some("2025-11".to_owned()), Some(2), Vec::new());
    }
    job
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
        job::job(&shown(failed_job())),
        problem::problem(&refusal(403, HOSTILE)),
        backfill::backfill(&BackfillView {
            viewer: viewer(Role::Operator),
            from: HOSTILE.to_owned(),
            to: HOSTILE.to_owned(),
            all: true,
            parallel: HOSTILE.to_owned(),
            error: Some(format!("`{HOSTILE}` is no month")),
            plan: None,
        }),
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
        (MonthState::Waiting, "waiting"),
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

#[test]
fn an_edition_of_which_a_control_failed_is_no_success() {
    let doubtful = Doubtful([("2025-11".parse().unwrap(), 2)].into());
    for period in [PeriodKind::Custom, PeriodKind::Backfill] {
        let job = published(period);
        let (good, bad) = (shown(job.clone()), JobView { doubtful: doubtful.clone(), ..shown(job.clone()) });
        let [good, bad] = [good, bad].map(|view| job::job(&view).into_string());
        assert!(good.contains("</svg>published</span>") && !good.contains("controls failed"), "{good}");
        assert!(!bad.contains("</svg>published</span>") && bad.contains("</svg>controls failed</span>"), "{bad}");
        assert!(bad.contains("notice warn") && !bad.contains("notice ok") && bad.contains("Don't use"), "{bad}");
        assert!(bad.contains("href=\"/editions/2025-11/2\""), "{bad}");

        let page = page(Role::Viewer, ready(), MonthState::Missing);
        let listed = |doubtful| home::home(&Home { jobs: vec![job.clone()], doubtful, ..page.clone() }).into_string();
        assert!(listed(Doubtful::default()).contains("</svg>published</span>"));
        assert!(listed(doubtful.clone()).contains("</svg>controls failed</span>"));
    }
}

#[test]
fn a_backfills_progress_stands_by_the_job_and_by_none_of_its_months() {
    for (period, times) in [(PeriodKind::Custom, 2), (PeriodKind::Backfill, 1)] {
        let job = Job { state: JobState::Running, period, percent: Some(25), rows: Some(50), ..failed_job() };
        let page = page(Role::Viewer, ready(), MonthState::Running);
        let page = home::home(&Home { jobs: vec![job], ..page }).into_string();
        assert_eq!(page.matches(" · 50 tickets").count(), times, "{page}");
        assert_eq!(page.matches("25 %").count(), times, "{page}");
    }
}

#[test]
fn the_share_of_the_tickets_is_told_until_all_are_read() {
    let job = Job { state: JobState::Running, percent: Some(100), rows: Some(50), ..published(PeriodKind::Custom) };
    let page = job::job(&shown(Job { stage: Some("refunds".to_owned()), ..job })).into_string();
    assert!(page.contains("refunds") && !page.contains("100 %") && !page.contains("50 tickets"), "{page}");
}

#[test]
fn the_months_of_a_job_scroll_inside_their_frame() {
    let page = job::job(&shown(published(PeriodKind::Backfill))).into_string();
    let table = page.find("<table").unwrap();
    assert!(page[..table].rfind("class=\"scroll").is_some_and(|at| !page[at..table].contains("</div>")), "{page}");
}

#[test]
fn a_refusal_says_who_is_signed_in_and_leads_back() {
    let page = problem::problem(&refusal(403, "a viewer may not do this")).into_string();
    assert!(page.contains("(viewer)") && page.contains("Sign out") && !page.contains("href=\"/sign-in\""), "{page}");
    let page = problem::problem(&refusal(400, "`x` is no day; `/docs` says more, ` too")).into_string();
    assert!(page.contains("<h1>That can't be done</h1>") && !page.contains("Bad Request"), "{page}");
    assert!(page.contains("<code>x</code> is no day; <a href=\"/docs\"><code>/docs</code></a> says more, ` too"));
    assert!(page.contains("href=\"/?search=&quot;\" data-back"), "{page}");
}
