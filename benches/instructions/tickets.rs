//! Tickets that look like a month of real ones, the same on each run.
//!
//! What matters to the row writer is how long values are and how often they repeat: tickets come trip after trip, so
//! that date, stations and train are mostly those of the row before; a booking's tickets stand near each other; names,
//! fares and amounts come back after some rows, references never.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, Date32Array, Decimal128Array, Int64Array, StringArray, Time64MicrosecondArray,
        TimestampMicrosecondArray,
    },
    record_batch::RecordBatch,
};
use pipeline::columns::{Column, Kind, MONEY_PRECISION, MONEY_SCALE, TICKETS};

/// Rows in a batch, as the database's come.
const BATCH_ROWS: usize = 1024;

/// The first day of the month, 2025-11-01, in days since 1970.
const FIRST_DAY: i64 = 20_393;

const DAY_MICROS: i64 = 86_400_000_000;
const MINUTE_MICROS: i64 = 60_000_000;

/// Tickets of one trip that were issued in the month: mostly few, because others were issued in another month.
const TRIP_SIZES: [usize; 16] = [1, 1, 1, 1, 1, 1, 2, 2, 3, 4, 6, 9, 14, 20, 30, 44];

/// Tickets of one booking.
const BOOKING_SIZES: [usize; 10] = [1, 1, 1, 1, 1, 2, 2, 2, 3, 4];

const STATIONS: [(&str, &str); 12] = [
    ("ROM", "Roma Termini"),
    ("MIL", "Milano Centrale"),
    ("TOR", "Torino Porta Nuova"),
    ("VEN", "Venezia Santa Lucia"),
    ("PLY", "Paris Gare de Lyon"),
    ("LYO", "Lyon Part-Dieu"),
    ("BER", "Berlin Hauptbahnhof"),
    ("MUC", "München Hauptbahnhof"),
    ("NUE", "Nürnberg Hauptbahnhof"),
    ("LON", "London St Pancras International"),
    ("WAW", "Warszawa Centralna"),
    ("ATH", "Αθήνα"),
];

const TRAINS: [(&str, &str); 5] = [("ICE", "BR412"), ("TGV", "TGD"), ("FR", "ETR400"), ("EST", "E320"), ("IC", "S103")];

#[rustfmt::skip]
const FIRST_NAMES: [&str; 48] = [
    "Giulia", "Francesco", "Niccolò", "Beatrice", "Davide", "Noemi", "Chloé", "Louis", "Jérôme", "Camille", "Anaïs",
    "Benoît", "Jürgen", "Mia", "Björn", "Anneliese", "Lukas", "Ayşe", "Olivia", "Harry", "Priya", "Mohammed", "Siân",
    "Eleanor", "Lucía", "Álvaro", "Montserrat", "Íker", "Gonçalo", "Matilde", "João", "Conceição", "Małgorzata",
    "Łukasz", "Ewa", "Krzysztof", "Ondřej", "Tereza", "Žofia", "Åsa", "Øyvind", "Sigrid", "Jukka-Pekka", "Aino",
    "Zsófia", "Ștefan", "Κωνσταντίνος", "Димитър",
];

#[rustfmt::skip]
const LAST_NAMES: [&str; 36] = [
    "Rossi", "De Luca", "D'Amico", "Ferrari", "Dubois", "Lefèvre", "d'Aubigné", "Rousseau", "Müller", "Schmidt",
    "von der Heide", "Öztürk", "Smith", "O'Neill", "Fitzgerald-Ross", "Khan", "García", "Muñoz", "de la Fuente",
    "Guimarães", "Silva", "Wiśniewska", "Zieliński", "Żak", "Růžička", "Kovář", "Bjørnstad", "Ås", "Hämäläinen",
    "Salo", "Kovács", "Țăran", "Horvat", "Šušteršič", "Παπαδόπουλος", "Иванов",
];

/// Names that can't be written as they are.
const AWKWARD_NAMES: [&str; 6] = ["Smith & Sons", "<b>Ann</b>", "_x0041_", "first\nsecond", "  leading", "\u{1}"];

const FARES: [(&str, &str); 6] = [
    ("ECO-SAVER-2", "economy"),
    ("ECO-SAVER-3", "economy"),
    ("STD-SAVER-2", "standard"),
    ("STD-SEMI-3", "standard"),
    ("BUS-FLEX-4", "business"),
    ("FST-SEMI-3", "first"),
];

const PRICES: [i64; 8] = [1890, 2690, 2790, 3890, 5090, 5590, 6590, 9390];

const METHODS: [&str; 8] = ["card", "card", "card", "card", "paypal", "apple_pay", "sepa_debit", "bank_transfer"];

/// Dice that fall the same way on each run.
struct Dice(u64);

impl Dice {
    /// A number below `sides`, by SplitMix64.
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) as usize % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.roll(many) == 0
    }

    /// A reference of ten characters, as bookings and tickets have.
    fn reference(&mut self, prefix: &str) -> String {
        let alphabet = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
        prefix.chars().chain((0..8).map(|_| char::from(self.pick(alphabet)))).collect()
    }
}

#[derive(Clone)]
struct Trip {
    day: i64,
    departure: i64,
    arrival: i64,
    from: (&'static str, &'static str),
    to: (&'static str, &'static str),
    route: String,
    train: Option<String>,
    status: &'static str,
}

#[derive(Clone)]
struct Booking {
    reference: String,
    status: &'static str,
    total: i64,
    /// The sum of its payments, and the latest one's status and method.
    payment: Option<(i64, &'static str, &'static str)>,
}

struct Ticket {
    reference: String,
    status: &'static str,
    price: i64,
    refunded: Option<i64>,
    issued: i64,
    booking: Option<Booking>,
    /// First name, last name, kind of document.
    passenger: Option<(&'static str, &'static str, Option<&'static str>)>,
    trip: Trip,
    fare: (&'static str, &'static str),
    /// Seat and carriage.
    seat: Option<(String, i64)>,
}

/// The month's first tickets, in batches.
pub(crate) fn batches(rows: usize) -> Vec<RecordBatch> {
    tickets(rows).chunks(BATCH_ROWS).map(batch).collect()
}

fn tickets(rows: usize) -> Vec<Ticket> {
    let mut dice = Dice(1);
    let mut tickets = Vec::new();
    for number in 0.. {
        if tickets.len() >= rows {
            break;
        }
        let trip = trip(&mut dice, number);
        let size = dice.pick(&TRIP_SIZES);
        let mut of_trip = Vec::new();
        while of_trip.len() < size {
            of_trip.extend(booking(&mut dice, &trip));
        }
        of_trip.sort_by(|a: &Ticket, b| a.reference.cmp(&b.reference));
        tickets.extend(of_trip);
    }
    tickets.truncate(rows);
    tickets
}

/// Trips come by day and time, forty a day.
fn trip(dice: &mut Dice, number: i64) -> Trip {
    let departure = 5 * 60 + number % 40 * 25;
    let from = dice.roll(STATIONS.len());
    let (from, to) = (STATIONS[from], STATIONS[(from + 1 + dice.roll(STATIONS.len() - 1)) % STATIONS.len()]);
    let (kind, class) = dice.pick(&TRAINS);
    Trip {
        day: FIRST_DAY + number / 40,
        departure,
        arrival: (departure + 40 + dice.roll(300) as i64) % (24 * 60),
        from,
        to,
        route: format!("{kind}-{}-{}", from.0, to.0),
        train: (!dice.one_in(100)).then(|| format!("{class}-{:03}", dice.roll(12))),
        status: if dice.one_in(80) { "delayed" } else { "completed" },
    }
}

/// The tickets of one booking on a trip.
fn booking(dice: &mut Dice, trip: &Trip) -> Vec<Ticket> {
    let size = dice.pick(&BOOKING_SIZES);
    let (fare, price, last_name) = (dice.pick(&FARES), dice.pick(&PRICES), dice.pick(&LAST_NAMES));
    let price = if dice.one_in(3) { price * 75 / 100 + dice.roll(100) as i64 } else { price };
    let total = price * size as i64;
    let payment = match dice.roll(100) {
        0 => None,
        1..3 => Some((0, "failed", dice.pick(&METHODS))),
        _ => Some((total, "completed", dice.pick(&METHODS))),
    };
    let status = if dice.one_in(30) { "cancelled" } else { "confirmed" };
    let booking = (!dice.one_in(250)).then(|| Booking { reference: dice.reference("BK"), status, total, payment });
    let issued = dice.roll(30) as i64 * DAY_MICROS + dice.roll(DAY_MICROS as usize) as i64;
    let carriage = 1 + dice.roll(7) as i64;
    (0..size)
        .map(|_| {
            let refunded = dice.one_in(60).then_some(price);
            let last_name = if dice.one_in(200) { dice.pick(&AWKWARD_NAMES) } else { last_name };
            let document = [None, Some("passport"), Some("passport"), Some("passport"), Some("other")]
                .get(dice.roll(14))
                .copied()
                .unwrap_or(Some("id_card"));
            Ticket {
                reference: dice.reference("TK"),
                status: match refunded {
                    Some(_) => "refunded",
                    None => ["issued", "reserved", "cancelled"].get(dice.roll(30)).copied().unwrap_or("checked_in"),
                },
                price,
                refunded,
                issued: FIRST_DAY * DAY_MICROS + issued,
                booking: booking.clone(),
                passenger: (!dice.one_in(400)).then(|| (dice.pick(&FIRST_NAMES), last_name, document)),
                trip: trip.clone(),
                fare,
                seat: (!dice.one_in(15))
                    .then(|| (format!("{}{}", 1 + dice.roll(20), dice.pick(&["A", "B", "C", "D"])), carriage)),
            }
        })
        .collect()
}

fn batch(tickets: &[Ticket]) -> RecordBatch {
    let arrays = TICKETS.columns.iter().map(|column| (column.name, array(column, tickets), true));
    RecordBatch::try_from_iter_with_nullable(arrays).expect("columns of the same length")
}

/// A column as the snapshot has it.
fn array(column: &Column, tickets: &[Ticket]) -> ArrayRef {
    let numbers = || tickets.iter().map(|ticket| number(column.name, ticket));
    match column.kind {
        Kind::Text | Kind::Key => Arc::new(tickets.iter().map(|t| text(column.name, t)).collect::<StringArray>()),
        Kind::Integer => Arc::new(numbers().collect::<Int64Array>()),
        Kind::Money => {
            let amounts = numbers().map(|cents| cents.map(i128::from)).collect::<Decimal128Array>();
            Arc::new(amounts.with_precision_and_scale(MONEY_PRECISION, MONEY_SCALE).expect("the precision of amounts"))
        }
        Kind::Date => Arc::new(numbers().map(|day| day.map(|day| day as i32)).collect::<Date32Array>()),
        Kind::Time => Arc::new(numbers().collect::<Time64MicrosecondArray>()),
        Kind::Instant => Arc::new(numbers().collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
    }
}

/// The value of a column that holds text. A column that isn't known here has the ticket's reference.
fn text<'a>(column: &str, ticket: &'a Ticket) -> Option<&'a str> {
    let (trip, booking) = (&ticket.trip, ticket.booking.as_ref());
    let payment = booking.and_then(|booking| booking.payment);
    match column {
        "ticket_status" => Some(ticket.status),
        "ticket_currency" => Some("EUR"),
        "booking_ref" => booking.map(|booking| booking.reference.as_str()),
        "booking_status" => booking.map(|booking| booking.status),
        "booking_currency" => booking.map(|_| "EUR"),
        "latest_payment_status" => payment.map(|(_, status, _)| status),
        "payment_method" => payment.map(|(_, _, method)| method),
        "passenger_first_name" => ticket.passenger.map(|(first_name, _, _)| first_name),
        "passenger_last_name" => ticket.passenger.map(|(_, last_name, _)| last_name),
        "passenger_doc_type" => ticket.passenger.and_then(|(_, _, document)| document),
        "departure_station_code" => Some(trip.from.0),
        "departure_station_name" => Some(trip.from.1),
        "arrival_station_code" => Some(trip.to.0),
        "arrival_station_name" => Some(trip.to.1),
        "route_code" => Some(&trip.route),
        "trip_status" => Some(trip.status),
        "train_registration" => trip.train.as_deref(),
        "fare_code" => Some(ticket.fare.0),
        "fare_seat_class" => Some(ticket.fare.1),
        "seat_number" => ticket.seat.as_ref().map(|(seat, _)| seat.as_str()),
        _ => Some(&ticket.reference),
    }
}

/// The value of any other column, in cents, days, microseconds. A column that isn't known here has the price.
fn number(column: &str, ticket: &Ticket) -> Option<i64> {
    let (trip, booking) = (&ticket.trip, ticket.booking.as_ref());
    match column {
        "issued_at" => Some(ticket.issued),
        "booking_total_amount" => booking.map(|booking| booking.total),
        "paid_amount" => booking.and_then(|booking| booking.payment).map(|(paid, _, _)| paid),
        "refunded_amount" => ticket.refunded,
        "service_date" => Some(trip.day),
        "departure_time" => Some(trip.departure * MINUTE_MICROS),
        "arrival_time" => Some(trip.arrival * MINUTE_MICROS),
        "carriage_number" => ticket.seat.as_ref().map(|(_, carriage)| *carriage),
        _ => Some(ticket.price),
    }
}
