//! The railway whose tickets are sold: stations, lines, trains, fares, and the trips of every day.

mod fares;
mod fleet;
mod lines;
mod stations;

use std::ops::Range;

use jiff::{
    Error, Timestamp,
    civil::{Time, date},
    tz::TimeZone,
};
use rand::{Rng, RngExt};

use self::{
    fares::fares,
    lines::{LINES, SHORT_OF_TRAINS},
};
pub(crate) use self::{
    fares::{Fare, RefundPolicy, fare_number},
    fleet::{Formation, SeatClass, seat_number},
    stations::STATIONS,
};
use super::{
    calendar::{Calendar, MINUTE, Micros, SOLD_AHEAD},
    keys::{Of, Seed},
};

/// Trains that stand by, for each make-up, so that not every train runs every day.
const SPARE_TRAINS: usize = 3;

/// One direction of a line. Times of day are minutes after midnight, wall clock of the station.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) notes: Option<&'static str>,
    /// Places in [`STATIONS`].
    pub(crate) ends: [usize; 2],
    pub(crate) kilometres: u32,
    pub(crate) departure: u32,
    /// Before the departure when it is on the next day.
    pub(crate) arrival: u32,
    pub(crate) formation: Formation,
    /// Its place among the routes with trains of the same make-up.
    rank: usize,
    demand: u32,
}

impl Route {
    /// Whether its trips arrive on the day after.
    pub(crate) fn overnight(&self) -> bool {
        self.arrival < self.departure
    }
}

/// A train as the table `trains` has it.
#[derive(Debug)]
pub(crate) struct Train {
    pub(crate) registration: String,
    pub(crate) model: &'static str,
    pub(crate) operator: &'static str,
    pub(crate) formation: Formation,
}

/// A route on a day, both by their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trip {
    pub(crate) route: usize,
    pub(crate) day: usize,
}

/// Everything that is there before the first ticket is sold.
#[derive(Debug)]
pub(crate) struct Railway {
    seed: Seed,
    pub(crate) routes: Vec<Route>,
    pub(crate) trains: Vec<Train>,
    /// Which of the trains have each make-up.
    fleets: Vec<Range<usize>>,
    pub(crate) fares: Vec<Fare>,
    pub(crate) calendar: Calendar,
    /// The departure of each trip, by its number.
    departures: Vec<Micros>,
    demand: u32,
    /// The seats for each make-up and class, by their places in the train.
    seats: Vec<[Vec<u16>; 4]>,
}

impl Railway {
    pub(crate) fn new(seed: Seed, calendar: Calendar) -> Result<Self, Error> {
        let zones = STATIONS.iter().map(|station| TimeZone::get(station.zone)).collect::<Result<Vec<_>, _>>()?;
        let routes = routes(&zones);
        let mut departures = Vec::with_capacity(routes.len() * calendar.days.len());
        for route in &routes {
            for day in &calendar.days {
                let time = Time::midnight().wrapping_add(jiff::SignedDuration::from_mins(route.departure.into()));
                // A wall clock that is skipped when the clocks go forward counts as if they hadn't yet.
                departures.push(zones[route.ends[0]].to_timestamp(day.to_datetime(time))?.as_microsecond());
            }
        }
        let (trains, fleets) = trains(&routes);
        Ok(Self {
            seed,
            trains,
            fleets,
            fares: fares(),
            departures,
            demand: routes.iter().map(|route| route.demand).sum(),
            seats: Formation::ALL.iter().map(|made| SeatClass::ALL.map(|class| made.seats(class))).collect(),
            routes,
            calendar,
        })
    }

    /// How many trips there are.
    pub(crate) fn trips(&self) -> usize {
        self.departures.len()
    }

    /// Trips are numbered route by route, day by day.
    pub(crate) fn number(&self, trip: Trip) -> usize {
        trip.route * self.calendar.days.len() + trip.day
    }

    pub(crate) fn trip_id(&self, trip: Trip) -> uuid::Uuid {
        self.seed.id(Of::Trip, self.number(trip) as u64)
    }

    pub(crate) fn departure(&self, trip: Trip) -> Micros {
        self.departures[self.number(trip)]
    }

    /// The train that runs a trip; now and then there is none on record. No train runs two trips of one day.
    pub(crate) fn train(&self, trip: Trip) -> Option<usize> {
        let short = trip.route / 2 == SHORT_OF_TRAINS && self.calendar.days[trip.day].day() % 10 == 0;
        if short || self.chance(trip) % 250 == 1 {
            return None;
        }
        let route = &self.routes[trip.route];
        let fleet = &self.fleets[route.formation as usize];
        Some(fleet.start + (route.rank + trip.day) % fleet.len())
    }

    /// What the timetable says of a trip at the moment the demo was taken.
    pub(crate) fn status(&self, trip: Trip) -> &'static str {
        let departed = self.departure(trip) < self.calendar.taken_at;
        match self.chance(trip) / 1000 % 1000 {
            0..5 => "cancelled",
            5..25 if departed => "delayed",
            _ if departed => "completed",
            _ => "scheduled",
        }
    }

    /// Whether a trip was called off.
    pub(crate) fn cancelled(&self, trip: Trip) -> bool {
        self.status(trip) == "cancelled"
    }

    /// The seats of a class on a trip, by their places in the train.
    pub(crate) fn seats(&self, route: usize, class: SeatClass) -> &[u16] {
        &self.seats[self.routes[route].formation as usize][class as usize]
    }

    /// A route, popular ones more often.
    pub(crate) fn any_route(&self, rng: &mut impl Rng) -> usize {
        let mut left = rng.random_range(0..self.demand);
        for (index, route) in self.routes.iter().enumerate() {
            match left.checked_sub(route.demand) {
                Some(rest) => left = rest,
                None => return index,
            }
        }
        0
    }

    /// A trip on a route that someone who buys at `instant` may take, soon more often than late.
    pub(crate) fn any_trip(&self, route: usize, instant: Micros, rng: &mut impl Rng) -> Trip {
        let mut draw = || rng.random_range(0..=SOLD_AHEAD);
        let ahead = draw().min(draw()).min(draw());
        self.trip_on(route, self.calendar.day_of(instant) + ahead, instant)
    }

    /// The trip on a route on a day, or on the day after when it can't be reached from a purchase at `instant`.
    pub(crate) fn trip_on(&self, route: usize, day: usize, instant: Micros) -> Trip {
        let last = self.calendar.days.len() - 1;
        let trip = Trip { route, day: day.min(last) };
        let missed = self.departure(trip) < instant + 10 * MINUTE;
        Trip { day: trip.day + usize::from(missed && trip.day < last), ..trip }
    }

    /// The next trip after a purchase at `instant` that no train is on record for.
    pub(crate) fn trip_without_train(&self, instant: Micros) -> Trip {
        let route = SHORT_OF_TRAINS * 2;
        let soonest = self.trip_on(route, self.calendar.day_of(instant), instant);
        let days = soonest.day..self.calendar.days.len();
        days.map(|day| Trip { route, day }).find(|trip| self.train(*trip).is_none()).unwrap_or(soonest)
    }

    /// A trip over midnight: on the night the clocks change if one is near, and in the hour that they change.
    pub(crate) fn night_trip(&self, instant: Micros, month: usize, rng: &mut impl Rng) -> Trip {
        let overnight = |(index, route): (usize, &Route)| route.overnight().then_some(index);
        let routes: Vec<_> = self.routes.iter().enumerate().filter_map(overnight).collect();
        let route = routes[rng.random_range(0..routes.len())];
        let change = self.calendar.months[month].clocks_change_after;
        match change.and_then(|eve| self.calendar.days.iter().position(|day| *day == eve)) {
            Some(eve) if eve >= self.calendar.day_of(instant) => self.trip_on(route, eve, instant),
            _ => self.any_trip(route, instant, rng),
        }
    }

    fn chance(&self, trip: Trip) -> u64 {
        self.seed.chance(Of::Trip, self.number(trip) as u64)
    }
}

/// Both directions of every line: the way out at an even place, the way back right after it.
fn routes(zones: &[TimeZone]) -> Vec<Route> {
    // All of Europe changes its clocks at the same instant, so the difference between two stations holds all year.
    let winter =
        date(2025, 1, 15).to_zoned_datetime(TimeZone::UTC).map_or(Timestamp::UNIX_EPOCH, |day| day.timestamp());
    let offset = |station: usize| zones[station].to_offset(winter).seconds() / 60;
    let place = |code: &str| {
        let found = STATIONS.iter().position(|station| station.code == code);
        found.unwrap_or_else(|| unreachable!("the timetable names a station `{code}` that there isn't"))
    };

    let mut ranks = [0; Formation::ALL.len()];
    let mut routes: Vec<Route> = Vec::with_capacity(LINES.len() * 2);
    for line in LINES {
        let ends = line.ends.map(place);
        for (departure, ends) in line.departures.into_iter().zip([ends, [ends[1], ends[0]]]) {
            let [from, to] = ends.map(|end| &STATIONS[end]);
            let ahead = 24 * 60 + offset(ends[1]) - offset(ends[0]);
            let rank = &mut ranks[line.formation as usize];
            routes.push(Route {
                code: format!("{}-{}-{}", line.brand, from.code, to.code),
                name: format!("{} – {}", from.city, to.city),
                notes: line.notes,
                ends,
                kilometres: line.kilometres,
                departure,
                arrival: (departure + line.minutes + ahead.unsigned_abs()) % (24 * 60),
                formation: line.formation,
                rank: *rank,
                demand: line.demand,
            });
            *rank += 1;
        }
    }
    routes
}

/// A train for every route and a few to spare, make-up by make-up.
fn trains(routes: &[Route]) -> (Vec<Train>, Vec<Range<usize>>) {
    let (mut trains, mut fleets) = (Vec::new(), Vec::new());
    for formation in Formation::ALL {
        let needed = routes.iter().filter(|route| route.formation == formation).count();
        for number in 0..needed + SPARE_TRAINS {
            let models = formation.models();
            let [series, model, operator] = models[number % models.len()];
            let registration = format!("{series}-{:03}", number / models.len() + 1);
            trains.push(Train { registration, model, operator, formation });
        }
        fleets.push(trains.len() - needed - SPARE_TRAINS..trains.len());
    }
    (trains, fleets)
}
