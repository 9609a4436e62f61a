//! The sales that every month has, so that every demo shows every exception: tickets issued at the very borders of the
//! month, hostile passengers, and one sale of each exception. In small demos they take turns from month to month, and
//! ordinary sales stay the majority.

use super::{calendar::Month, exceptions::Exception, hostile};

/// A border of the month, in UTC or in a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Border {
    UtcFirst,
    UtcLast,
    LocalFirst,
    LocalLast,
}

impl Border {
    const ALL: [Self; 4] = [Self::UtcFirst, Self::UtcLast, Self::LocalFirst, Self::LocalLast];

    /// The first microsecond of the month, or the last.
    pub(crate) fn instant(self, month: &Month) -> i64 {
        match self {
            Self::UtcFirst => month.utc[0],
            Self::UtcLast => month.utc[1] - 1,
            Self::LocalFirst => month.local[0],
            Self::LocalLast => month.local[1] - 1,
        }
    }
}

/// A sale that does not come about by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    /// One ticket for a hostile passenger, by its place; at a border or at some time.
    Hostile(usize, Option<Border>),
    /// An exception, with as many tickets as it takes.
    Exception(Exception),
}

/// The specials of each month, from the month's number of tickets. What doesn't find room is the first of the next
/// month.
pub(crate) fn specials(months: &[Month]) -> Vec<Vec<Special>> {
    let mut passengers = (0..hostile::NAMES.len()).cycle();
    let mut exceptions = Exception::ALL.into_iter().map(|(exception, _)| exception).cycle().peekable();
    let mut borders = Border::ALL.into_iter().cycle();

    let mut plan = Vec::with_capacity(months.len());
    for month in months {
        let tickets = month.tickets;
        let at_borders = Border::ALL.len().min(places(tickets / 5));
        let hostile = at_borders + places(tickets / 6);
        let hostile = hostile.min(hostile::NAMES.len());
        let mut room = (tickets / 25).max(3.min(tickets / 10));

        let mut specials: Vec<_> = (0..hostile)
            .zip(&mut passengers)
            .map(|(nth, place)| Special::Hostile(place, (nth < at_borders).then(|| borders.next()).flatten()))
            .collect();
        for _ in 0..Exception::ALL.len() {
            let Some(exception) = exceptions.next_if(|exception| exception.tickets() <= room) else {
                break;
            };
            room -= exception.tickets();
            specials.push(Special::Exception(exception));
        }
        plan.push(specials);
    }
    plan
}

fn places(tickets: u64) -> usize {
    usize::try_from(tickets).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::demo::calendar::Calendar;

    fn tickets_of(special: Special) -> u64 {
        match special {
            Special::Hostile(..) => 1,
            Special::Exception(exception) => exception.tickets(),
        }
    }

    fn planned(months: u32, tickets: u64) -> (Vec<Month>, Vec<Vec<Special>>) {
        let calendar = Calendar::new(date(2025, 1, 1), months, tickets).unwrap();
        let specials = specials(&calendar.months);
        (calendar.months, specials)
    }

    #[test]
    fn ordinary_tickets_are_the_majority() {
        for (months, tickets) in [(1, 100), (12, 100), (3, 100), (60, 480), (12, 2000), (1, 1_000_000)] {
            let (months, plan) = planned(months, tickets);
            for (month, specials) in months.iter().zip(plan) {
                let taken: u64 = specials.into_iter().map(tickets_of).sum();
                assert!(taken * 2 < month.tickets, "{taken} of {}", month.tickets);
            }
        }
    }

    #[test]
    fn a_hundred_tickets_show_every_hostile_name() {
        for months in 1..=12 {
            let plan = planned(months, 100).1.concat();
            for name in 0..hostile::NAMES.len() {
                let shown = plan.iter().any(|special| matches!(special, Special::Hostile(place, _) if *place == name));
                assert!(shown, "name {name} is missing from {months} months");
            }
        }
    }

    #[test]
    fn two_thousand_tickets_show_every_exception() {
        for months in 1..=60 {
            let plan = planned(months, 2000).1.concat();
            for (exception, _) in Exception::ALL {
                assert!(plan.contains(&Special::Exception(exception)), "{exception:?} is missing from {months} months");
            }
        }
    }

    #[test]
    fn a_name_is_shown_once_a_month_at_most() {
        let plan = planned(3, 300_000).1;
        for specials in plan {
            let long = |special: &&Special| matches!(special, Special::Hostile(hostile::LONG_NAMED, _));
            assert_eq!(specials.iter().filter(long).count(), 1);
        }
    }
}
