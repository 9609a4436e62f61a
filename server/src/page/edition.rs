//! An edition's page: what its manifest says, for reading.

use maud::{Markup, html};
use pipeline::{
    manifest::{Control, ControlName, Manifest},
    summary::{
        Summary,
        terms::{REASONS, find},
    },
};

use super::{
    figures, format,
    layout::{Needs, layout},
    parts::{Shape, at, badge, controls_failed, icon, notice, prose},
    view::{EditionView, Role},
};

/// The page.
#[must_use]
pub fn edition(view: &EditionView) -> Markup {
    let manifest = &view.manifest;
    let period = format::period(manifest.period);
    let body = html! {
        nav class="crumbs" aria-label="Where this page belongs" {
            a href="/" { "Reports" }
            " / " span aria-current="page" { (manifest.period) ", edition " (manifest.edition) }
        }
        div class="title" {
            h1 { (period) }
            div class="badges" data-live="badges" { (badges(view)) }
        }
        div data-live="newer" { (newer(view)) }
        div class="actions" data-live="actions" { (actions(view)) }
        (controls(manifest))
        (warnings(manifest))
        @match &manifest.summary {
            Some(summary) => {
                (figures::figures(manifest, summary))
                (exceptions(summary))
            }
            None => {
                p class="empty" {
                    "This edition was made before there were summaries. Make its report again to see figures here."
                }
            }
        }
        (figures::changes(manifest))
        (files(view))
        (facts(manifest))
    };
    layout(&format!("{period}, edition {}", manifest.edition), Some(&view.viewer), Needs::Plots, &body)
}

fn badges(view: &EditionView) -> Markup {
    let failed = view.manifest.failed_controls().count();
    html! {
        span class="badge plain" { "edition " (view.manifest.edition) }
        @if failed > 0 {
            (controls_failed())
        } @else {
            (badge("ok", Shape::Check, "published"))
        }
        @if view.manifest.provisional { (badge("old", Shape::Clock, "provisional: the period wasn't over")) }
    }
}

fn newer(view: &EditionView) -> Markup {
    let period = view.manifest.period.to_string();
    if view.newest <= view.manifest.edition {
        return html! {};
    }
    let body = html! {
        p {
            a href=(format::edition_link(&period, view.newest)) { "Go to edition " (view.newest) }
            ", which holds newer data."
        }
    };
    notice("busy", Shape::Clock, "This is an earlier edition", &body)
}

fn actions(view: &EditionView) -> Markup {
    let period = view.manifest.period.to_string();
    let manifest = format!("/api/k8s/snapshots/{period}?edition={}", view.manifest.edition);
    html! {
        @match &view.report {
            Some(report) => {
                a class="button primary" href=(format::workbook_link(report)) download {
                    "Download the workbook" span class="muted" { " " (format::bytes(view.manifest.workbook.size)) }
                }
            }
            None => {
                span class="muted" {
                    "The workbook's file isn't there; " code { "ticketing-report check --repair" } " makes it again."
                }
            }
        }
        a class="button" href=(manifest) { "Manifest" span class="muted" { " JSON" } }
        @if view.editions.len() > 1 {
            nav class="editions" aria-label="Editions of this period" {
                span class="muted" { "Editions" }
                @for &edition in &view.editions {
                    a href=(format::edition_link(&period, edition)) aria-label={ "Edition " (edition) }
                        aria-current=[(edition == view.manifest.edition).then_some("page")] { (edition) }
                }
            }
        }
    }
}

fn control_name(control: &Control) -> &'static str {
    match control.name {
        ControlName::DatabaseSums => "Counts and sums of the database",
        ControlName::Reconciliation => "Residual of the reconciliation",
        ControlName::RowCount => "Number of tickets",
    }
}

fn controls(manifest: &Manifest) -> Markup {
    html! {
        section aria-labelledby="controls" {
            h2 id="controls" { "Controls" }
            @if manifest.failed_controls().next().is_some() {
                (notice("warn", Shape::Triangle, "Don't use these figures before it is known what is wrong", &html! {}))
            }
            @if manifest.controls.is_empty() {
                p class="empty" { "This edition was made before there were controls." }
            }
            ul class="controls" {
                @for control in &manifest.controls {
                    li class=(if control.passed { "ok" } else { "warn" }) {
                        (icon(if control.passed { Shape::Check } else { Shape::Triangle }))
                        span {
                            strong { (control_name(control)) (if control.passed { ": holds" } else { ": failed" }) }
                            " " span class="muted" { (prose(&control.detail)) }
                        }
                    }
                }
            }
        }
    }
}

fn warnings(manifest: &Manifest) -> Markup {
    html! {
        @if !manifest.warnings.is_empty() {
            section aria-labelledby="warnings" {
                h2 id="warnings" { "Warnings" }
                ul class="controls" {
                    @for warning in &manifest.warnings {
                        li class="warn" { (icon(Shape::Triangle)) span { (prose(warning)) } }
                    }
                }
            }
        }
    }
}

fn exceptions(summary: &Summary) -> Markup {
    let known = REASONS.iter().filter_map(|reason| summary.exceptions.get_key_value(reason.key));
    let unknown = summary.exceptions.iter().filter(|(key, _)| !REASONS.iter().any(|reason| reason.key == key.as_str()));
    let rows: Vec<_> = known.chain(unknown).filter(|(_, rows)| **rows > 0).collect();
    html! {
        section aria-labelledby="exceptions" {
            h2 id="exceptions" { "Exceptions" }
            @if rows.is_empty() {
                p class="empty" { "None: all bookings, payments and refunds agree." }
            } @else {
                p class="muted" {
                    "Bookings and tickets that somebody has to look at. The workbook's sheet Exceptions names them."
                }
                div class="scroll" tabindex="0" role="group" aria-labelledby="exceptions" {
                    table class="list" {
                        caption class="unseen" { "Exceptions by reason" }
                        thead {
                            tr {
                                th scope="col" { "Reason" }
                                th scope="col" class="number" { "Rows" }
                                th scope="col" { "Meaning" }
                            }
                        }
                        tbody {
                            @for (key, rows) in rows {
                                tr {
                                    th scope="row" { (find(key).map_or(key.as_str(), |term| term.name)) }
                                    td class="number" { (format::count(*rows)) }
                                    td class="meaning" { (find(key).map_or("", |term| term.meaning)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn files(view: &EditionView) -> Markup {
    let manifest = &view.manifest;
    let may_load = view.viewer.role >= Role::Analyst;
    let folder = format!("/api/k8s/snapshots/{}/{}/", manifest.period, manifest.edition);
    html! {
        section aria-labelledby="files" {
            h2 id="files" { "Files" }
            @if !may_load {
                p class="muted" {
                    "To download Parquet files takes the role analyst; you have the role "
                    (view.viewer.role.as_str()) "."
                }
            }
            div class="scroll" tabindex="0" role="group" aria-labelledby="files" {
                table class="list" {
                    caption class="unseen" { "Files of this edition" }
                    thead {
                        tr {
                            th scope="col" { "File" }
                            th scope="col" class="number" { "Rows" }
                            th scope="col" class="number" { "Size" }
                            th scope="col" { "SHA-256" }
                        }
                    }
                    tbody {
                        tr {
                            th scope="row" {
                                @match &view.report {
                                    Some(report) => a href=(format::workbook_link(report)) download { (report) },
                                    None => (manifest.workbook.name),
                                }
                            }
                            td class="number" { (format::count(manifest.rows)) }
                            td class="number" { (format::bytes(manifest.workbook.size)) }
                            td { code class="hash" { (manifest.workbook.sha256) } }
                        }
                        @for (table, file) in manifest.files() {
                            tr {
                                th scope="row" {
                                    @if may_load {
                                        a href={ (folder) (table) ".parquet" } download { (table) ".parquet" }
                                    } @else { (table) ".parquet" }
                                }
                                td class="number" { (format::count(file.rows)) }
                                td class="number" { (format::bytes(file.size)) }
                                td { code class="hash" { (file.sha256) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn facts(manifest: &Manifest) -> Markup {
    let zone = manifest.time_zone.rules();
    let days = manifest.period.period();
    html! {
        section aria-labelledby="origin" {
            h2 id="origin" { "Where it comes from" }
            dl class="facts" {
                div { dt { "Days" } dd { (format::range(days.first(), days.last())) } }
                div { dt { "Time zone" } dd { (manifest.time_zone) } }
                div {
                    dt { "Cut: data as of" }
                    dd { (at(manifest.cut.at, zone)) " " span class="muted" { (manifest.cut.at) } }
                }
                div { dt { "Made" } dd { (at(manifest.created_at, zone)) } }
                div { dt { "Database" } dd { (manifest.source) } }
                div { dt { "Program" } dd { (manifest.program) ", schema " (manifest.schema_version) } }
                div class="long" { dt { "SHA-256 of the SQL" } dd { code class="hash" { (manifest.sql_sha256) } } }
                div class="long" { dt { "Digest of the data" } dd { code class="hash" { (manifest.digest) } } }
            }
        }
    }
}
