//! What is asked for at the counter: who travels, how many tickets, when.

use rand::{Rng, RngExt};

use super::{
    calendar::{DAY, HOUR, MINUTE, Micros},
    exceptions::Exception,
    people::hostile_number,
    sales::{Business, weighted},
    specials::Special,
};

/// How many travel and whether they come back, and how many sales in 100 are such.
const PARTIES: [((usize, bool), u32); 9] = [
    ((1, false), 46),
    ((1, true), 14),
    ((2, false), 14),
    ((2, true), 7),
    ((3, false), 5),
    ((3, true), 2),
    ((4, false), 6),
    ((5, false), 3),
    ((6, false), 3),
];

/// What one sale is to be.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) month: usize,
    /// More than the travellers when they come back.
    pub(crate) tickets: usize,
    pub(crate) travellers: usize,
    /// The number of the first traveller, who books; the others follow.
    pub(crate) passenger: u64,
    pub(crate) issued_at: Micros,
    /// When the last ticket is issued, if later than the others.
    pub(crate) added_at: Option<Micros>,
    pub(crate) exception: Option<Exception>,
}

impl Business {
    /// A request of any kind, after `sold` tickets of the month and with `left` more to sell.
    pub(crate) fn ordinary_request(&self, month: usize, sold: u64, left: u64, rng: &mut impl Rng) -> Request {
        let calendar = &self.railway.calendar;
        let issued_at = calendar.months[month].sale_moment(sold, sold + left, rng);
        let (travellers, both_ways) = weighted(PARTIES, rng);
        let wanted = if both_ways { travellers * 2 } else { travellers };
        let tickets = wanted.min(usize::try_from(left).unwrap_or(wanted));
        let exception = Exception::by_chance(rng);

        let end = calendar.months.last().map_or(0, |last| last.utc[1]);
        let later = issued_at + rng.random_range(HOUR..5 * DAY);
        let added = exception == Some(Exception::AddedLater) && tickets > 1 && later < end;
        Request {
            month,
            tickets,
            travellers: travellers.min(tickets),
            passenger: self.people.party(travellers, rng),
            issued_at,
            added_at: added.then_some(later),
            exception,
        }
    }

    /// The request that a special stands for.
    pub(crate) fn special_request(&self, special: Special, month: usize, rng: &mut impl Rng) -> Request {
        match special {
            Special::Hostile(place, border) => {
                let this = &self.railway.calendar.months[month];
                let at_border = border.map(|border| border.instant(this));
                let issued_at = at_border.unwrap_or_else(|| this.sale_moment(rng.random_range(0..999), 1000, rng));
                Request {
                    month,
                    tickets: 1,
                    travellers: 1,
                    passenger: hostile_number(place),
                    issued_at,
                    added_at: None,
                    exception: None,
                }
            }
            Special::Exception(exception) => self.exceptional_request(exception, month, rng),
        }
    }

    fn exceptional_request(&self, exception: Exception, month: usize, rng: &mut impl Rng) -> Request {
        let months = &self.railway.calendar.months;
        let (issued_at, added_at) = if exception == Exception::AddedLater {
            // Into the month after; out of the one before, if the demo ends with this one.
            let last = month > 0 && month + 1 == months.len();
            let border = months[month].utc[usize::from(!last)];
            let mut near = || rng.random_range(MINUTE..10 * HOUR);
            (border - near(), Some(border + near()))
        } else {
            // Early in the month, so that the night in which the clocks change is still ahead.
            (months[month].sale_moment(rng.random_range(0..650), 1000, rng), None)
        };
        let travellers = usize::try_from(exception.tickets()).unwrap_or(1);
        Request {
            month,
            tickets: travellers,
            travellers,
            passenger: self.people.party(travellers, rng),
            issued_at,
            added_at,
            exception: Some(exception),
        }
    }
}
