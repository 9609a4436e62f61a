//! The form that starts a report.

use maud::{Markup, html};
use pipeline::period::NamedPeriod;

use super::{
    format,
    view::{Home, StoreState},
};

/// The form: two named periods, or two dates.
pub(crate) fn start(home: &Home) -> Markup {
    let named = |period: NamedPeriod| {
        period.resolve(home.today).map(|days| format::days(days.first(), days.last())).unwrap_or_default()
    };
    let gone = matches!(home.store, StoreState::Gone(_));
    let today = home.today.to_string();
    html! {
        section aria-labelledby="start-title" {
            h2 id="start-title" { "Make a report" }
            form id="start" class="start" method="post" action="/start" {
                fieldset {
                    legend { "Tickets issued in" }
                    label class="choice" {
                        input type="radio" name="period" value="previous-month" checked;
                        span {
                            "the previous month" br;
                            span class="muted" data-live="previous-month" { (named(NamedPeriod::PreviousMonth)) }
                        }
                    }
                    label class="choice" {
                        input type="radio" name="period" value="current-month";
                        span {
                            "the current month" br;
                            span class="muted" data-live="current-month" { (named(NamedPeriod::CurrentMonth)) }
                        }
                    }
                    label class="choice" {
                        input type="radio" name="period" value="custom" id="period-custom";
                        span { "a range of days" }
                    }
                    div class="range" {
                        label for="start-date" { "First day" }
                        input type="date" id="start-date" name="startDate" max=(today);
                        label for="end-date" { "Last day" }
                        input type="date" id="end-date" name="endDate" max=(today);
                    }
                }
                div data-live="start-button" {
                    button type="submit" class="primary" disabled[gone] { "Make report" }
                }
            }
        }
    }
}
