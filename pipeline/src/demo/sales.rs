//! The sales, one after another. Each follows from the seed and its number alone, so that every table is written in a
//! pass of its own and no pass keeps what it wrote.

use rand::{Rng, RngExt};

use super::{
    DemoOptions,
    calendar::{Calendar, MINUTE, Micros, SECOND},
    exceptions::Exception,
    keys::{Of, Seed, in_month},
    model::{Booking, BookingStatus, EUR, Payment, PaymentStatus, Sale, Ticket, TicketStatus},
    people::People,
    railway::{Railway, RefundPolicy, SeatClass, Trip, fare_number},
    requests::Request,
    specials::{Special, specials},
};

/// How many sales in 100 are paid with what.
const METHODS: [(&str, u32); 7] = [
    ("card", 55),
    ("paypal", 15),
    ("apple_pay", 9),
    ("google_pay", 5),
    ("sepa_debit", 8),
    ("bank_transfer", 5),
    ("cash", 3),
];

/// How many sales in 100 are at what percentage of the fare: in full, with two discount cards, on days of high demand.
const PERCENTAGES: [(i64, u32); 4] = [(100, 60), (90, 15), (75, 15), (125, 10)];

const CLASSES: [(SeatClass, u32); 4] =
    [(SeatClass::Economy, 38), (SeatClass::Standard, 40), (SeatClass::First, 14), (SeatClass::Business, 8)];

const POLICIES: [(RefundPolicy, u32); 3] =
    [(RefundPolicy::Non, 45), (RefundPolicy::Partially, 30), (RefundPolicy::Fully, 25)];

/// The whole business of a demo.
#[derive(Debug)]
pub(crate) struct Business {
    pub(crate) seed: Seed,
    pub(crate) railway: Railway,
    pub(crate) people: People,
    specials: Vec<Vec<Special>>,
}

/// What the tickets of a sale have in common.
struct Terms {
    /// The trip out and the trip back.
    trips: [Trip; 2],
    class: SeatClass,
    policy: RefundPolicy,
    percent: i64,
}

impl Business {
    pub(crate) fn new(options: &DemoOptions) -> Result<Self, jiff::Error> {
        let seed = Seed(options.seed);
        let calendar = Calendar::new(options.first_month, options.months, options.tickets)?;
        let start = calendar.months.first().map_or(0, |month| month.utc[0]);
        Ok(Self {
            seed,
            people: People::new(seed, options.tickets, options.first_month, start),
            specials: specials(&calendar.months),
            railway: Railway::new(seed, calendar)?,
        })
    }

    /// All sales, month by month.
    pub(crate) fn sales(&self) -> impl Iterator<Item = Sale> {
        (0..self.railway.calendar.months.len()).flat_map(|month| self.sales_of(month))
    }

    /// A month's specials, then its ordinary sales in the order of time, until all its tickets are sold.
    fn sales_of(&self, month: usize) -> impl Iterator<Item = Sale> {
        let mut left = self.railway.calendar.months[month].tickets;
        let (mut sold, mut index) = (0, 0);
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let sale = self.sale(month, index, sold, left);
            let tickets = sale.tickets.len() as u64;
            (sold, left, index) = (sold + tickets, left - tickets, index + 1);
            Some(sale)
        })
    }

    /// The `index`-th sale of a month, after `sold` tickets and with `left` more to sell.
    fn sale(&self, month: usize, index: usize, sold: u64, left: u64) -> Sale {
        let number = in_month(month, index as u64);
        let mut rng = self.seed.stream(Of::Booking, number);
        let request = match self.specials[month].get(index) {
            Some(special) => self.special_request(*special, month, &mut rng),
            None => self.ordinary_request(month, sold, left, &mut rng),
        };
        let mut sale = self.sound(&request, number, in_month(month, sold), &mut rng);
        if let Some(exception) = request.exception {
            exception.apply(&mut sale, &self.railway, &mut rng);
        }
        sale
    }

    /// A sale as it should be: confirmed, paid once and in full, in euro.
    fn sound(&self, request: &Request, number: u64, first_ticket: u64, rng: &mut impl Rng) -> Sale {
        let terms = Terms {
            trips: self.trips(request, rng),
            class: weighted(CLASSES, rng),
            policy: weighted(POLICIES, rng),
            percent: weighted(PERCENTAGES, rng),
        };
        let tickets: Vec<_> = (first_ticket..)
            .zip(0..request.tickets)
            .map(|(number, nth)| self.ticket(request, &terms, number, nth, rng))
            .collect();

        let total = tickets.iter().map(|ticket| ticket.price).sum();
        let paid_at = request.issued_at - rng.random_range(0..4 * SECOND);
        let payment_began = paid_at - rng.random_range(2 * SECOND..60 * SECOND);
        let created_at = payment_began - rng.random_range(10 * SECOND..5 * MINUTE);
        let payment = Payment {
            attempt: number * 4,
            amount: total,
            currency: EUR,
            method: weighted(METHODS, rng),
            status: PaymentStatus::Completed,
            paid_at: Some(paid_at),
            created_at: payment_began,
        };
        let booking = Booking {
            booker: request.passenger,
            status: BookingStatus::Confirmed,
            total,
            currency: EUR,
            created_at,
            expires_at: created_at + 30 * MINUTE,
        };
        Sale { number, booking: Some(booking), tickets, payments: vec![payment], refunds: Vec::new() }
    }

    /// The trip out, and the trip back for those who take it.
    fn trips(&self, request: &Request, rng: &mut impl Rng) -> [Trip; 2] {
        let railway = &self.railway;
        let bought = request.issued_at;
        let mut out = match request.exception {
            Some(Exception::NoTrain) => railway.trip_without_train(bought),
            Some(Exception::Overnight) => railway.night_trip(bought, request.month, rng),
            _ => railway.any_trip(railway.any_route(rng), bought, rng),
        };
        let today = railway.calendar.day_of(bought);
        if request.tickets > request.travellers {
            // Leaves days to come back in, within those that are on sale.
            out = railway.trip_on(out.route, out.day.min(today + 54), bought);
        }
        if let Some(added) = request.added_at {
            let day = out.day.max(railway.calendar.day_of(added));
            out = railway.trip_on(out.route, day, added);
        }
        let stay = rng.random_range(1..=5);
        [out, railway.trip_on(out.route ^ 1, out.day + stay, bought)]
    }

    fn ticket(&self, request: &Request, terms: &Terms, number: u64, nth: usize, rng: &mut impl Rng) -> Ticket {
        let railway = &self.railway;
        let trip = terms.trips[nth / request.travellers];
        let traveller = nth % request.travellers;
        // Not every train has every class.
        let has_class = !railway.seats(trip.route, terms.class).is_empty();
        let class = if has_class { terms.class } else { SeatClass::Standard };
        let fare = fare_number(class, terms.policy, railway.routes[trip.route].kilometres);
        let child = request.travellers > 2 && traveller > 1;
        let percent = if child { terms.percent / 2 } else { terms.percent };
        let added = request.added_at.filter(|_| nth + 1 == request.tickets);
        let issued_at = added.unwrap_or(request.issued_at);
        let (status, checked_in_at, notes) = self.journey(trip, issued_at, rng);
        Ticket {
            number,
            passenger: Some(request.passenger + traveller as u64),
            trip,
            fare: Some(fare),
            seat: rng.random_ratio(97, 100).then_some(class),
            price: railway.fares[fare].price * percent / 100,
            currency: EUR,
            status,
            issued_at,
            cancelled_at: None,
            checked_in_at,
            notes,
        }
    }

    /// What became of a ticket until the demo was taken.
    fn journey(
        &self,
        trip: Trip,
        issued_at: Micros,
        rng: &mut impl Rng,
    ) -> (TicketStatus, Option<Micros>, Option<&'static str>) {
        let departure = self.railway.departure(trip);
        if self.railway.cancelled(trip) {
            return (TicketStatus::Issued, None, Some("train cancelled, another offered"));
        }
        let checked_in_at = departure - rng.random_range(0..40 * MINUTE);
        if departure < self.railway.calendar.taken_at && rng.random_ratio(93, 100) {
            return (TicketStatus::CheckedIn, Some(checked_in_at.max(issued_at + MINUTE)), None);
        }
        let notes = match rng.random_range(0..100) {
            0 => Some("wheelchair space"),
            1..3 => Some("travels with a bicycle"),
            _ => None,
        };
        (TicketStatus::Issued, None, notes)
    }
}

/// One of several things, by weight.
pub(crate) fn weighted<T, const N: usize>(things: [(T, u32); N], rng: &mut impl Rng) -> T {
    let mut left = rng.random_range(0..things.iter().map(|(_, weight)| weight).sum());
    for (thing, weight) in things {
        match u32::checked_sub(left, weight) {
            Some(rest) => left = rest,
            None => return thing,
        }
    }
    unreachable!("a number below the sum of the weights falls on one of them")
}
