//! A report from beginning to end: the stages in order.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    thread,
    time::Instant,
};

use arrow::record_batch::RecordBatch;
use crossbeam_channel::bounded;
use jiff::Timestamp;

use crate::{
    changes,
    columns::{SCHEMA_VERSION, TABLES, TICKETS},
    config::DatabaseAddress,
    controls, digest,
    error::Error,
    hashed::HashedFile,
    interrupt::{self, HalfMade},
    locale::Locale,
    manifest::{Branding, ChangedNet, Changes, Compression, Control, Manifest, RunFigures, WorkbookFile},
    output::Output,
    period::{PeriodId, ReportPeriod, ReportTimeZone},
    progress::{Event, Reporter},
    publish::{self, Claim, Turn},
    pull::{Pull, Pulled, WAITING_BATCHES, create, join},
    record::{RunOutcome, RunRecord},
    render::{self, restore_workbook},
    room,
    snapshot::{self, Provenance},
    source::{self, Cut},
    store::{Place, Store, StoreError},
    workbook::{self, Facts, Layout, WorkbookError},
};

/// The program's name and version, with the revision it was built from where the build says it.
#[must_use]
pub fn program() -> String {
    let version = env!("CARGO_PKG_VERSION");
    match option_env!("REPORT_GIT_REVISION").filter(|revision| !revision.is_empty()) {
        Some(revision) => format!("ticketing-report {version} ({revision})"),
        None => format!("ticketing-report {version}"),
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct ReportRequest {
    /// The days.
    pub period: ReportPeriod,
    /// Where they begin and end.
    pub zone: ReportTimeZone,
    /// An extra copy of the workbook.
    pub output: Option<PathBuf>,
    /// The number of the server's job that asked, which the workbook of a range carries in its name.
    pub job: Option<u32>,
    /// Whether that job makes several months, each by a run of its own.
    pub of_backfill: bool,
    /// Whether to make an edition even of data that hasn't changed.
    pub force: bool,
    /// Whether a period without tickets is a failure.
    pub fail_if_empty: bool,
    /// Threads that format and deflate rows.
    pub threads: usize,
    /// How small the workbook's rows are made.
    pub compression: Compression,
    /// Whether a control that fails is a failure, and nothing published.
    pub strict: bool,
    /// The language of the workbook's own sheets.
    pub locale: Locale,
    /// Whose workbook it is.
    pub branding: Branding,
}

/// What a run has come to.
#[derive(Debug)]
pub struct Outcome {
    /// The edition, new or unchanged.
    pub manifest: Manifest,
    /// Whether the newest edition holds the same data already.
    pub unchanged: bool,
    /// Where the workbook is: the extra copy if one was asked for, else the one in the store.
    pub workbook: String,
    /// What went not quite as it should, after the edition was published.
    pub warnings: Vec<String>,
}

/// Makes a report: pulls one cut of the database into a snapshot and a workbook at once, and publishes both as the
/// period's next edition unless the newest one holds the same data.
///
/// # Errors
/// When any stage fails. Everything earlier stays as it was then.
pub fn run_report(
    request: &ReportRequest,
    database: &DatabaseAddress,
    store: &Store,
    reporter: &Reporter,
) -> Result<Outcome, Error> {
    let began = Timestamp::now();
    let run = run_id(request, began);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::System(format!("no runtime: {e}")))?;
    let result = Run { id: &run, request, database, store, reporter, runtime: &runtime, began: Instant::now() }.make();
    let (outcome, exit_code, made) = match &result {
        Ok(outcome) if outcome.unchanged => (RunOutcome::Unchanged, 0, Some(outcome)),
        Ok(outcome) => (RunOutcome::Published, 0, Some(outcome)),
        Err(error) => (RunOutcome::Failed, interrupt::code().unwrap_or_else(|| error.exit_code()), None),
    };
    let message = match (interrupt::code(), &result) {
        (Some(_), Err(_)) => Some("it was interrupted".to_owned()),
        (_, result) => result.as_ref().err().map(Error::line),
    };
    let record = RunRecord {
        run: run.clone(),
        first: request.period.first(),
        last: request.period.last(),
        time_zone: request.zone.clone(),
        began,
        ended: Timestamp::now(),
        outcome,
        exit_code,
        period: made.map(|o| o.manifest.period),
        edition: made.map(|o| o.manifest.edition),
        rows: made.map(|o| o.manifest.rows),
        report: made.map(|o| o.manifest.workbook.name.clone()),
        message,
    };
    // The record is for lists of runs; that it can't be written must not hide how the run itself ended.
    if let Ok(bytes) = serde_json::to_vec_pretty(&record) {
        let _ = runtime.block_on(store.write(Place::Run(&run), bytes));
    }
    result
}

/// The id under which the store and the database know a run.
fn run_id(request: &ReportRequest, began: Timestamp) -> String {
    let random = u32::from_le_bytes(*uuid::Uuid::new_v4().as_bytes().first_chunk().unwrap_or(&[0; 4]));
    match request.job {
        Some(job) if request.of_backfill => {
            format!("ticketing-report-{job}-{}", request.period.first().strftime("%Y-%m"))
        }
        Some(job) => format!("ticketing-report-{job}"),
        None => format!("{}-{random:08x}", began.strftime("%Y%m%dT%H%M%SZ")),
    }
}

struct Run<'a> {
    id: &'a str,
    request: &'a ReportRequest,
    database: &'a DatabaseAddress,
    store: &'a Store,
    reporter: &'a Reporter,
    runtime: &'a tokio::runtime::Runtime,
    began: Instant,
}

impl Run<'_> {
    fn make(&self) -> Result<Outcome, Error> {
        let request = self.request;
        self.reporter.tell(&Event::Started {
            run: self.id,
            first: request.period.first().to_string(),
            last: request.period.last().to_string(),
            source: self.database.to_string(),
            store: self.store.address(),
        });
        let output = request.output.as_deref().map(Output::prepare).transpose()?;
        let _half_made = HalfMade::new(self.store.half_made(self.id));
        let staging = self.store.staging(self.id)?;

        let bounds = request.period.bounds(&request.zone)?;
        let name = format!("ticketing-report-{}", self.id);
        if let DatabaseAddress::Postgres(url) = self.database {
            interrupt::backends(url, &self.database.to_string(), &name);
        }
        let cut = source::open(self.database, bounds.0, bounds.1, &name, &staging)?;
        let rows = cut.count()?;
        if rows == 0 && request.fail_if_empty {
            return Err(Error::Empty(request.period.to_string()));
        }
        let period = request.period.id(&request.zone, cut.cut().at)?;
        let last = self.runtime.block_on(self.store.newest(period)).ok().flatten();
        room::refuse_to_fill(self.store, last.as_ref(), rows)?;

        let layout = Layout {
            rows,
            zone: request.zone.clone(),
            bounds,
            created: cut.cut().at,
            compression: request.compression,
        };
        let workbook_path = staging.join("workbook.xlsx");
        let workbook = create(&workbook_path)?;
        thread::scope(|scope| {
            let (to_sheet, sheet_batches) = bounded::<RecordBatch>(WAITING_BATCHES);
            let (send_warnings, warnings) = bounded(1);
            let (send_facts, facts) = bounded::<Facts>(1);
            let layout = &layout;
            let sheet = scope.spawn(move || {
                let mut file = HashedFile::new(workbook);
                workbook::write(&mut file, layout, request.threads, sheet_batches, |cut_texts| {
                    send_warnings.send(cut_texts).ok()?;
                    facts.recv().ok()
                })?;
                file.finish().map_err(WorkbookError::Write)
            });
            let pull = Pull {
                cut: &*cut,
                staging: &staging,
                provenance: self.provenance(&*cut),
                reporter: self.reporter,
                period: request.period,
                zone: &request.zone,
                stopped: AtomicBool::new(false),
            };
            let pulled = match pull.all(rows, to_sheet) {
                Ok(pulled) => pulled,
                Err(error) => {
                    // A sheet that can't be written ends the pull too, but is the better thing to say.
                    drop(send_facts);
                    let sheet = join(sheet)?;
                    return Err(sheet
                        .err()
                        .filter(|e| matches!(e, WorkbookError::Write(_)))
                        .map_or(error, Error::from));
                }
            };
            let Ok(mut warnings) = warnings.recv() else {
                return Err(join(sheet)?.err().unwrap_or(WorkbookError::Abandoned).into());
            };
            if rows == 0 {
                warnings.push(format!("no ticket was issued from {}", request.period));
            }
            let digest =
                digest::of_snapshot(TABLES.iter().filter_map(|t| Some(pulled.tables.get(t.name)?.digest.as_str())));
            let controls = self.controls(period, &pulled)?;
            // Comparing takes as long as reading both editions: too long to hold the number meanwhile.
            let newest = self.runtime.block_on(self.store.newest(period))?;
            let mut compared = self.compare(newest.as_ref(), &digest, &pulled, &staging);
            // The newest edition's workbook is about to give its name away: see that it is there to be kept.
            let mended = newest.as_ref().map_or(Ok(None), |newest| self.mend(newest))?;
            let (mut claim, previous) = match self.turn(period, &digest)? {
                Turn::Unchanged(newest) => return self.show(*newest, output, true, mended),
                Turn::Ours(claim, previous) => (claim, previous),
            };
            if previous.as_ref().map(|m| m.edition) != newest.as_ref().map(|m| m.edition) {
                compared = self.compare(previous.as_deref(), &digest, &pulled, &staging);
            }
            let changes = compared.unwrap_or_else(|unreadable| {
                warnings.push(unreadable);
                None
            });
            let listed = workbook::LISTED_EXCEPTIONS as u64;
            if pulled.exceptions.rows > listed {
                warnings.push(format!(
                    "{listed} of {} exceptions stand on their sheet; all of them are in exceptions.parquet",
                    pulled.exceptions.rows
                ));
            }
            let mut edition = self.manifest(period, claim.number(), &*cut, digest, pulled, warnings);
            edition.changes = changes;
            edition.controls = controls;
            match self.runtime.block_on(controls::compared(self.store, request.period, &request.zone)) {
                Ok(compared) => edition.compared = compared,
                // What is wrong with another period's edition mustn't keep this one back.
                Err(error @ StoreError::Manifest { .. }) => edition.warnings.push(format!("not compared: {error}")),
                Err(error) => return Err(error.into()),
            }
            let exceptions = render::exceptions(staging.join("exceptions.parquet"))?;
            // Nobody takes it only if the sheet's thread has failed, which joining it tells.
            let _ = send_facts.send(Facts { manifest: edition.clone(), exceptions });
            let (size, sha256) = join(sheet)??;
            (edition.workbook.size, edition.workbook.sha256) = (size, sha256);
            edition.run.seconds.insert("total".to_owned(), self.began.elapsed().as_secs_f64());
            edition.run.peak_memory = peak_memory();
            edition.run.cpu_seconds = cpu_seconds();
            let seconds = self.began.elapsed().as_secs_f64();
            self.reporter.tell(&Event::Finished { stage: "workbook", rows, bytes: Some(size), seconds });
            // On a folder it is as fast as the commit. A bucket may take minutes: a signal doesn't wait for that.
            let bucket = self.store.is_bucket();
            let lay = |claim: &mut Claim| self.runtime.block_on(publish::lay(self.store, self.id, claim));
            if bucket {
                lay(&mut claim)?;
            }
            interrupt::wholly(|| {
                if !bucket {
                    lay(&mut claim)?;
                }
                self.runtime.block_on(publish::commit(self.store, claim, &edition))
            })?;
            self.show(edition, output, false, mended)
        })
    }

    /// Whether what was pulled can be trusted. A control that fails is told, and with `strict` ends the run.
    fn controls(&self, period: PeriodId, pulled: &Pulled) -> Result<Vec<Control>, Error> {
        let mut all = vec![pulled.database_sums.clone(), controls::reconciliation(&pulled.summary)];
        let rows = pulled.tables.get(TICKETS.name).map_or(0, |tickets| tickets.rows);
        all.extend(self.runtime.block_on(controls::row_count(self.store, period, rows))?);
        let failed: Vec<_> = all.iter().filter(|control| !control.passed).map(controls::line).collect();
        if self.request.strict && !failed.is_empty() {
            return Err(Error::Controls(failed.join("; ")));
        }
        for message in &failed {
            self.reporter.tell(&Event::Warning { message });
        }
        Ok(all)
    }

    fn turn(&self, period: PeriodId, digest: &str) -> Result<Turn, Error> {
        let digest = (!self.request.force).then_some(digest);
        Ok(self.runtime.block_on(publish::next_turn(self.store, period, self.id, digest))?)
    }

    /// How the tickets differ from an earlier edition's; `None` without one. That the earlier one can't be read must
    /// not keep a new one from being made: it is a warning.
    fn compare(
        &self,
        earlier: Option<&Manifest>,
        digest: &str,
        pulled: &Pulled,
        staging: &Path,
    ) -> Result<Option<Changes>, String> {
        let Some(earlier) = earlier else { return Ok(None) };
        if earlier.digest == digest {
            let same = |net| ChangedNet { before: net, after: net, ..ChangedNet::default() };
            let net = pulled.summary.currencies.iter().filter(|(_, of)| of.sales.tickets > 0);
            let net = net.map(|(code, of)| (code.clone(), same(of.sales.net()))).collect();
            return Ok(Some(Changes { edition: earlier.edition, net, ..Changes::default() }));
        }
        let tickets = |path: PathBuf| {
            let file = File::open(&path).map_err(|e| StoreError::file(&path, &e).to_string())?;
            snapshot::read(&TICKETS, file).map(|(_, batches)| batches).map_err(|e| e.to_string())
        };
        let old = Place::Table(earlier.period, earlier.edition, TICKETS.name);
        let old = self.runtime.block_on(self.store.on_disk(old, self.id)).map_err(|e| e.to_string()).and_then(tickets);
        let new = tickets(staging.join(format!("{}.parquet", TICKETS.name)));
        let compared = old.and_then(|old| changes::compare(earlier.edition, old, new?).map_err(|e| e.to_string()));
        compared
            .map(Some)
            .map_err(|reason| format!("edition {} can't be compared with this one: {reason}", earlier.edition))
    }

    fn provenance(&self, cut: &dyn Cut) -> Provenance {
        let values = [
            self.database.to_string(),
            self.request.period.to_string(),
            self.request.zone.name().to_owned(),
            cut.cut().at.to_string(),
            program(),
        ];
        snapshot::PROVENANCE.into_iter().zip(values).collect()
    }

    fn manifest(
        &self,
        period: PeriodId,
        edition: u32,
        cut: &dyn Cut,
        digest: String,
        pulled: Pulled,
        warnings: Vec<String>,
    ) -> Manifest {
        let name = period.workbook_name(self.request.job);
        let edition_name = format!("{}-edition-{edition}.xlsx", name.trim_end_matches(".xlsx"));
        for warning in &warnings {
            self.reporter.tell(&Event::Warning { message: warning });
        }
        Manifest {
            period,
            edition,
            provisional: cut.cut().at < self.request.period.bounds(&self.request.zone).map_or(Timestamp::MAX, |b| b.1),
            time_zone: self.request.zone.clone(),
            cut: cut.cut().clone(),
            created_at: Timestamp::now(),
            schema_version: SCHEMA_VERSION,
            program: program(),
            source: self.database.to_string(),
            sql_sha256: source::sql_sha256(self.database),
            digest,
            rows: pulled.tables.get(TICKETS.name).map_or(0, |tickets| tickets.rows),
            tables: pulled.tables,
            workbook: WorkbookFile {
                name,
                edition_name,
                compression: self.request.compression,
                size: 0,
                sha256: String::new(),
            },
            warnings,
            changes: None,
            summary: Some(pulled.summary),
            exceptions: Some(pulled.exceptions),
            compared: Vec::new(),
            controls: Vec::new(),
            locale: self.request.locale,
            branding: self.request.branding.clone(),
            run: RunFigures { seconds: pulled.seconds, ..RunFigures::default() },
        }
    }

    /// Makes an edition's workbook again where somebody has removed or spoilt it; says so.
    fn mend(&self, manifest: &Manifest) -> Result<Option<String>, Error> {
        let threads = self.request.threads;
        self.runtime.block_on(async {
            Ok(match publish::find_workbook(self.store, manifest).await? {
                Some(_) => None,
                None => {
                    Some(restore_workbook(self.store, self.id, manifest, threads).await.unwrap_or_else(|e| e.line()))
                }
            })
        })
    }

    /// Makes the names follow the manifests and gives the extra copy.
    fn show(
        &self,
        manifest: Manifest,
        output: Option<Output>,
        unchanged: bool,
        mended: Option<String>,
    ) -> Result<Outcome, Error> {
        let mut warnings = self.runtime.block_on(publish::settle(self.store, self.id, manifest.period))?;
        warnings.extend(mended);
        warnings.extend(self.mend(&manifest)?);
        warnings.extend(room::filling(self.store, &manifest));
        let found = self.runtime.block_on(publish::find_workbook(self.store, &manifest))?;
        for warning in &warnings {
            self.reporter.tell(&Event::Warning { message: warning });
        }
        let name = found.unwrap_or_else(|| manifest.workbook.name.clone());
        let in_store = Place::Workbook(&name);
        let workbook = match output {
            Some(output) => {
                let finished = self.runtime.block_on(self.store.on_disk(in_store, self.id))?;
                output.copy_from(&finished)?.display().to_string()
            }
            None => self.store.show(in_store),
        };
        self.reporter.tell(&Event::Done {
            outcome: if unchanged { "unchanged" } else { "published" },
            period: manifest.period.to_string(),
            edition: manifest.edition,
            rows: manifest.rows,
            report: name,
        });
        Ok(Outcome { manifest, unchanged, workbook, warnings })
    }
}

/// The process's greatest resident memory so far in bytes, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The process's CPU time so far, user and system, where the system tells.
fn cpu_seconds() -> Option<f64> {
    // Linux counts in hundredths of a second here, whatever its own clock. The name before may hold spaces.
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / 100.0)
}
