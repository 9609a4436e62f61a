//! What happens, for whoever listens: numbered, and kept for a while for those who were cut off.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::State,
    http::HeaderMap,
    response::sse::{Event, KeepAlive, Sse},
};
use futures::{Stream, stream};
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;

use crate::app::App;

/// Events that are kept.
const KEPT: usize = 1000;

/// How often a stream that has nothing to tell says so.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// An event as it is sent.
#[derive(Debug)]
struct Told {
    number: u64,
    kind: &'static str,
    data: String,
}

#[derive(Debug, Default)]
struct Kept {
    next: u64,
    events: VecDeque<Arc<Told>>,
}

/// Where events come together.
#[derive(Debug)]
pub struct Hub {
    /// Numbers begin anew with each start of the server, which this tells apart.
    start: i64,
    kept: Mutex<Kept>,
    newest: watch::Sender<u64>,
    end: watch::Sender<bool>,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            start: Timestamp::now().as_millisecond(),
            kept: Mutex::default(),
            newest: watch::Sender::new(0),
            end: watch::Sender::new(false),
        }
    }
}

impl Hub {
    /// Tells an event.
    pub fn tell(&self, kind: &'static str, data: &impl Serialize) {
        let Ok(data) = serde_json::to_string(data) else { return };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let number = kept.next;
        kept.next += 1;
        if kept.events.len() == KEPT {
            kept.events.pop_front();
        }
        kept.events.push_back(Arc::new(Told { number, kind, data }));
        self.newest.send_replace(kept.next);
    }

    /// Whether anybody listens.
    #[must_use]
    pub fn has_listeners(&self) -> bool {
        self.newest.receiver_count() > 0
    }

    /// Ends all streams.
    pub fn end(&self) {
        self.end.send_replace(true);
    }

    /// The first event from a number on, and the number after it; `None` in its place where some before it are lost.
    fn from(&self, number: u64) -> Option<(Option<Arc<Told>>, u64)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let first = kept.events.front()?.number;
        if number < first {
            return Some((None, kept.next));
        }
        let told = kept.events.get(usize::try_from(number - first).ok()?)?;
        Some((Some(Arc::clone(told)), number + 1))
    }

    /// The number from which somebody who last saw an event goes on; `None` where that can't be told any more.
    fn after(&self, last: Option<&str>) -> Option<u64> {
        let next = self.kept.lock().unwrap_or_else(PoisonError::into_inner).next;
        let Some(last) = last else { return Some(next) };
        let (start, number) = last.split_once('-')?;
        let number: u64 = number.parse().ok()?;
        (start.parse() == Ok(self.start) && number < next).then_some(number + 1)
    }

    fn event(&self, number: u64, kind: &str, data: &str) -> Event {
        Event::default().id(format!("{}-{number}", self.start)).event(kind).data(data)
    }

    /// All events after the one that was seen last.
    pub fn listen(self: Arc<Self>, last: Option<&str>) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
        let from = self.after(last);
        let lost = from.is_none();
        let next = from.unwrap_or_else(|| self.kept.lock().unwrap_or_else(PoisonError::into_inner).next);
        let (newest, end) = (self.newest.subscribe(), self.end.subscribe());
        stream::unfold((self, next, lost, newest, end), |(hub, next, lost, mut newest, mut end)| async move {
            if lost {
                let event = hub.event(next.saturating_sub(1), "reset", "{}");
                return Some((Ok(event), (hub, next, false, newest, end)));
            }
            loop {
                newest.borrow_and_update();
                match hub.from(next) {
                    Some((Some(told), next)) => {
                        let event = hub.event(told.number, told.kind, &told.data);
                        return Some((Ok(event), (hub, next, false, newest, end)));
                    }
                    Some((None, next)) => {
                        let event = hub.event(next - 1, "reset", "{}");
                        return Some((Ok(event), (hub, next, false, newest, end)));
                    }
                    None => {}
                }
                if *end.borrow() {
                    return None;
                }
                tokio::select! {
                    changed = newest.changed() => changed.ok()?,
                    ended = end.changed() => ended.ok()?,
                }
            }
        })
    }
}

/// What happens, as server-sent events
///
/// `job` has a job, `edition` one that is new, `store` says whether the store can be read, `reset` that events were missed
/// and lists should be loaded again, and `alive` nothing but that the server lives. The header Last-Event-ID resumes after an event.
#[utoipa::path(get, path = "/api/k8s/events", tag = "jobs",
    params(("Last-Event-ID" = Option<String>, Header, description = "The last event that was seen")),
    responses((status = 200, content_type = "text/event-stream", body = Object)))]
pub async fn listen(State(app): State<App>, headers: HeaderMap) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    // Not the usual comment: scripts don't see those.
    let alive = KeepAlive::new().interval(KEEP_ALIVE).event(Event::default().event("alive").data("{}"));
    Sse::new(Arc::clone(&app.events).listen(last)).keep_alive(alive)
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    async fn kinds(hub: &Arc<Hub>, last: Option<&str>) -> Vec<String> {
        hub.end();
        let events = Arc::clone(hub).listen(last);
        events.map(|event| format!("{:?}", event.unwrap())).collect().await
    }

    #[tokio::test]
    async fn whoever_was_cut_off_gets_what_was_missed_or_is_told_to_load_anew() {
        let hub = Arc::new(Hub::default());
        for number in 0..3 {
            hub.tell("job", &number);
        }
        let id = |number: u64| format!("{}-{number}", hub.start);
        assert_eq!(kinds(&hub, None).await.len(), 0);
        assert_eq!(kinds(&hub, Some(&id(0))).await.len(), 2);
        assert_eq!(kinds(&hub, Some(&id(2))).await.len(), 0);
        for lost in [id(7), "1-0".to_owned(), "x".to_owned()] {
            let told = kinds(&hub, Some(&lost)).await;
            assert!(told.len() == 1 && told[0].contains("reset"), "{lost}: {told:?}");
        }
        for number in 0..2000 {
            hub.tell("job", &number);
        }
        let told = kinds(&hub, Some(&id(0))).await;
        assert!(told.len() == 1 && told[0].contains("reset"), "{told:?}");
    }
}
