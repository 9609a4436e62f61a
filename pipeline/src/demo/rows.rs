//! The rows of every table.

use uuid::Uuid;

use super::{
    DemoError,
    calendar::{DAY, HOUR},
    keys::Of,
    model::{EUR, Sale},
    railway::{RefundPolicy, STATIONS, Trip, seat_number},
    sales::Business,
    seating::{Seat, Seating},
    tables::{Cell, Writer},
};

/// More than any train has.
const SEATS_IN_A_TRAIN: u64 = 1000;
const CARRIAGES_IN_A_TRAIN: u64 = 100;

/// More than any sale has.
const PAYMENTS_IN_A_SALE: u64 = 4;
const REFUNDS_IN_A_SALE: u64 = 16;

type Written = Result<(), DemoError>;

impl Business {
    fn id(&self, of: Of, place: usize) -> Uuid {
        self.seed.id(of, place as u64)
    }

    fn seat_id(&self, seat: Seat) -> Uuid {
        self.seed.id(Of::Seat, seat.train as u64 * SEATS_IN_A_TRAIN + u64::from(seat.place))
    }

    fn carriage_id(&self, train: usize, carriage: usize) -> Uuid {
        self.seed.id(Of::Carriage, train as u64 * CARRIAGES_IN_A_TRAIN + carriage as u64)
    }
}

pub(crate) fn stations(business: &Business, write: &mut Writer<'_>) -> Written {
    STATIONS.iter().enumerate().try_for_each(|(place, station)| {
        write(&[
            Cell::Id(business.id(Of::Station, place)),
            Cell::Text(station.code),
            Cell::Text(station.name),
            Cell::Text(station.city),
            Cell::Text(station.region),
            Cell::Text(station.country),
            Cell::Degrees(station.latitude),
            Cell::Degrees(station.longitude),
            Cell::Text(station.zone),
        ])
    })
}

pub(crate) fn routes(business: &Business, write: &mut Writer<'_>) -> Written {
    business.railway.routes.iter().enumerate().try_for_each(|(place, route)| {
        write(&[
            Cell::Id(business.id(Of::Route, place)),
            Cell::Text(&route.code),
            Cell::Text(&route.name),
            Cell::or_null(route.notes, Cell::Text),
        ])
    })
}

pub(crate) fn fares(business: &Business, write: &mut Writer<'_>) -> Written {
    let valid_from = business.railway.calendar.days.first().map(|day| day.first_of_year());
    business.railway.fares.iter().enumerate().try_for_each(|(place, fare)| {
        write(&[
            Cell::Id(business.id(Of::Fare, place)),
            Cell::Text(&fare.code),
            Cell::Text(&fare.name),
            Cell::Cents(fare.price),
            Cell::Text(EUR),
            Cell::Text(fare.class.name()),
            Cell::Flag(fare.policy != RefundPolicy::Non),
            Cell::Text(fare.policy.name()),
            Cell::or_null(valid_from, Cell::Date),
            Cell::Null,
        ])
    })
}

pub(crate) fn trains(business: &Business, write: &mut Writer<'_>) -> Written {
    business.railway.trains.iter().enumerate().try_for_each(|(place, train)| {
        write(&[
            Cell::Id(business.id(Of::Train, place)),
            Cell::Text(&train.registration),
            Cell::Text(train.model),
            Cell::Text(train.operator),
            Cell::Whole(train.formation.capacity().into()),
        ])
    })
}

pub(crate) fn carriages(business: &Business, write: &mut Writer<'_>) -> Written {
    for (train, number) in business.railway.trains.iter().zip(0..) {
        for ((place, carriage), printed) in train.formation.carriages().iter().enumerate().zip(1..) {
            write(&[
                Cell::Id(business.carriage_id(number, place)),
                Cell::Id(business.id(Of::Train, number)),
                Cell::Whole(printed),
                Cell::Text(carriage.kind),
                Cell::Whole(carriage.seats.into()),
            ])?;
        }
    }
    Ok(())
}

pub(crate) fn seats(business: &Business, write: &mut Writer<'_>) -> Written {
    for (number, train) in business.railway.trains.iter().enumerate() {
        let mut places = 0..;
        for (carriage_place, carriage) in train.formation.carriages().iter().enumerate() {
            let Some(class) = carriage.class else {
                continue;
            };
            for (in_carriage, place) in (0..carriage.seats).zip(&mut places) {
                let (printed, position) = seat_number(carriage, in_carriage);
                write(&[
                    Cell::Id(business.seat_id(Seat { train: number, place })),
                    Cell::Id(business.carriage_id(number, carriage_place)),
                    Cell::Text(&printed),
                    Cell::Text(class.name()),
                    Cell::Text(position),
                    // The last two of a carriage, next to its wide door.
                    Cell::Flag(in_carriage + 2 >= carriage.seats),
                ])?;
            }
        }
    }
    Ok(())
}

pub(crate) fn trips(business: &Business, write: &mut Writer<'_>) -> Written {
    let railway = &business.railway;
    for (route_place, route) in railway.routes.iter().enumerate() {
        for (day, date) in railway.calendar.days.iter().enumerate() {
            let trip = Trip { route: route_place, day };
            write(&[
                Cell::Id(railway.trip_id(trip)),
                Cell::Id(business.id(Of::Route, route_place)),
                Cell::or_null(railway.train(trip), |train| Cell::Id(business.id(Of::Train, train))),
                Cell::Date(*date),
                Cell::Minutes(route.departure),
                Cell::Minutes(route.arrival),
                Cell::Id(business.id(Of::Station, route.ends[0])),
                Cell::Id(business.id(Of::Station, route.ends[1])),
                Cell::Text(railway.status(trip)),
                // The timetable comes out half a year ahead, in the small hours.
                Cell::Instant((railway.departure(trip) - 180 * DAY).div_euclid(DAY) * DAY + 3 * HOUR),
            ])?;
        }
    }
    Ok(())
}

pub(crate) fn passengers(business: &Business, write: &mut Writer<'_>) -> Written {
    let people = &business.people;
    people.numbers().try_for_each(|number| {
        let passenger = people.passenger(number);
        write(&[
            Cell::Id(business.seed.id(Of::Passenger, number)),
            Cell::or_null(people.account(number), Cell::Id),
            Cell::Text(&passenger.first_name),
            Cell::Text(&passenger.last_name),
            Cell::or_null(passenger.date_of_birth, Cell::Date),
            Cell::or_null(passenger.doc_type, Cell::Text),
            Cell::or_null(passenger.doc_number.as_deref(), Cell::Text),
            Cell::or_null(passenger.email.as_deref(), Cell::Text),
            Cell::or_null(passenger.phone.as_deref(), Cell::Text),
            Cell::Instant(passenger.created_at),
        ])
    })
}

pub(crate) fn bookings(business: &Business, write: &mut Writer<'_>) -> Written {
    business.sales().try_for_each(|sale| {
        let Some(booking) = &sale.booking else {
            return Ok(());
        };
        write(&[
            Cell::Id(business.seed.id(Of::Booking, sale.number)),
            Cell::or_null(business.people.account(booking.booker), Cell::Id),
            Cell::Text(&business.seed.reference("BK", Of::Booking, sale.number)),
            Cell::Text(booking.status.name()),
            Cell::Cents(booking.total),
            Cell::Text(booking.currency),
            Cell::Instant(booking.created_at),
            Cell::Instant(booking.expires_at),
        ])
    })
}

pub(crate) fn tickets(business: &Business, write: &mut Writer<'_>) -> Written {
    let mut seating = Seating::new(&business.railway);
    business.sales().try_for_each(|sale| tickets_of(business, &sale, &mut seating, write))
}

fn tickets_of(business: &Business, sale: &Sale, seating: &mut Seating<'_>, write: &mut Writer<'_>) -> Written {
    let booking = sale.booking.as_ref().map(|_| business.seed.id(Of::Booking, sale.number));
    sale.tickets.iter().try_for_each(|ticket| {
        write(&[
            Cell::Id(business.seed.id(Of::Ticket, ticket.number)),
            Cell::or_null(booking, Cell::Id),
            Cell::or_null(ticket.passenger, |number| Cell::Id(business.seed.id(Of::Passenger, number))),
            Cell::Id(business.railway.trip_id(ticket.trip)),
            Cell::or_null(ticket.fare, |place| Cell::Id(business.id(Of::Fare, place))),
            Cell::or_null(seating.seat(ticket), |seat| Cell::Id(business.seat_id(seat))),
            Cell::Text(&business.seed.reference("TK", Of::Ticket, ticket.number)),
            Cell::Cents(ticket.price),
            Cell::Text(ticket.currency),
            Cell::Text(ticket.status.name()),
            Cell::Instant(ticket.issued_at),
            Cell::or_null(ticket.cancelled_at, Cell::Instant),
            Cell::or_null(ticket.checked_in_at, Cell::Instant),
            Cell::or_null(ticket.notes, Cell::Text),
        ])
    })
}

pub(crate) fn payments(business: &Business, write: &mut Writer<'_>) -> Written {
    business.sales().try_for_each(|sale| {
        (0..).zip(&sale.payments).try_for_each(|(nth, payment)| {
            write(&[
                Cell::Id(business.seed.id(Of::Payment, sale.number * PAYMENTS_IN_A_SALE + nth)),
                Cell::Id(business.seed.id(Of::Booking, sale.number)),
                Cell::Cents(payment.amount),
                Cell::Text(payment.currency),
                Cell::Text(payment.method),
                Cell::Text(&business.seed.reference("pay_", Of::Payment, payment.attempt)),
                Cell::Text(payment.status.name()),
                Cell::or_null(payment.paid_at, Cell::Instant),
                Cell::Instant(payment.created_at),
            ])
        })
    })
}

pub(crate) fn refunds(business: &Business, write: &mut Writer<'_>) -> Written {
    business.sales().try_for_each(|sale| {
        (0..).zip(&sale.refunds).try_for_each(|(nth, refund)| {
            write(&[
                Cell::Id(business.seed.id(Of::Refund, sale.number * REFUNDS_IN_A_SALE + nth)),
                Cell::Id(business.seed.id(Of::Ticket, sale.tickets[refund.ticket].number)),
                Cell::Cents(refund.amount),
                Cell::Text(refund.currency),
                Cell::Instant(refund.processed_at),
                Cell::Text(refund.reason),
            ])
        })
    })
}
