//! The sales, before they become rows.

use std::collections::HashSet;

use jiff::civil::date;

use super::options;
use crate::demo::{
    DemoOptions,
    calendar::{HOUR, MINUTE},
    exceptions::Exception,
    model::{BookingStatus, CHF, EUR, GBP, PaymentStatus, Sale, TicketStatus},
    railway::Trip,
    sales::Business,
};

#[test]
fn every_month_has_tickets_at_its_very_borders() {
    let business = Business::new(&options(2000, 12)).unwrap();
    let issued: HashSet<_> = business.sales().flat_map(|sale| sale.tickets).map(|ticket| ticket.issued_at).collect();
    for month in &business.railway.calendar.months {
        for [first, after] in [month.utc, month.local] {
            assert!(issued.contains(&first));
            assert!(issued.contains(&(after - 1)));
        }
    }
}

/// Whether a sale is an instance of an exception, judged by what a controller can see.
fn shows(exception: Exception, sale: &Sale, business: &Business) -> bool {
    use Exception as E;
    let railway = &business.railway;
    let ticket = &sale.tickets[0];
    let price: i64 = sale.tickets.iter().map(|ticket| ticket.price).sum();
    let refunded: i64 = sale.refunds.iter().map(|refund| refund.amount).sum();
    let paid: Vec<_> = sale.payments.iter().filter(|payment| payment.status == PaymentStatus::Completed).collect();
    let statuses: Vec<_> = sale.payments.iter().map(|payment| payment.status).collect();
    let Some(booking) = &sale.booking else {
        let bare = ticket.passenger.is_none() && ticket.fare.is_none() && ticket.seat.is_none();
        return exception == E::NoBooking || exception == E::Bare && bare;
    };
    let confirmed = booking.status == BookingStatus::Confirmed;
    let one = |status| sale.payments.len() == 1 && statuses == [status];
    let paid_in = |currency| booking.currency == EUR && paid.iter().any(|payment| payment.currency == currency);
    match exception {
        E::PaidAtSecondAttempt => statuses == [PaymentStatus::Failed, PaymentStatus::Completed],
        E::PaymentPending => booking.status == BookingStatus::Pending && ticket.status == TicketStatus::Reserved,
        E::PaymentFailed => booking.status == BookingStatus::Failed && one(PaymentStatus::Failed),
        E::Expired => booking.status == BookingStatus::Cancelled && sale.payments.is_empty(),
        E::RefundedInFull => one(PaymentStatus::Refunded) && refunded == price && sale.refunds[0].currency == EUR,
        E::RefundedInPart => !confirmed && one(PaymentStatus::Completed) && (1..price).contains(&refunded),
        E::OneTicketRefunded => statuses == [PaymentStatus::Completed, PaymentStatus::Refunded] && refunded < price,
        E::RefundInFrancs => sale.refunds.iter().any(|refund| refund.currency != ticket.currency),
        E::RefundAboveReceived => refunded > price,
        E::PaymentMissing => confirmed && sale.payments.is_empty(),
        E::PaidInFrancs => paid_in(CHF),
        E::PaidInPounds => paid_in(GBP),
        E::BookedInFrancs => booking.currency == CHF && ticket.currency == CHF && paid[0].amount == booking.total,
        E::TicketInPounds => booking.currency == EUR && sale.tickets.iter().any(|ticket| ticket.currency == GBP),
        E::PaidTwice => {
            paid.len() == 2
                && paid[0].amount == paid[1].amount
                && paid[1].paid_at.unwrap() - paid[0].paid_at.unwrap() < 10 * MINUTE
        }
        E::Overpaid => one(PaymentStatus::Completed) && sale.payments[0].amount > booking.total,
        E::Underpaid => {
            one(PaymentStatus::Completed) && paid[0].currency == EUR && (1..booking.total).contains(&paid[0].amount)
        }
        E::TotalUnlikeTickets => booking.total != price,
        E::CancelledNotRefunded => {
            ticket.status == TicketStatus::Cancelled && one(PaymentStatus::Completed) && sale.refunds.is_empty()
        }
        E::CheckedInUnpaid => ticket.checked_in_at.is_some() && paid.is_empty() && !sale.payments.is_empty(),
        E::PaidAtOnce => sale.payments.len() == 2 && sale.payments[0].paid_at == sale.payments[1].paid_at,
        E::AddedLater => {
            let months = railway.calendar.months.iter();
            let borders: Vec<_> = months.flat_map(|month| month.utc).collect();
            let [first, last] = [ticket, &sale.tickets[sale.tickets.len() - 1]].map(|ticket| ticket.issued_at);
            borders.iter().any(|border| (first..last).contains(border))
        }
        E::NoPassenger => ticket.passenger.is_none(),
        E::NoFare => ticket.fare.is_none(),
        E::NoSeat => ticket.seat.is_none(),
        E::NoTrain => railway.train(ticket.trip).is_none(),
        E::Overnight => railway.routes[ticket.trip.route].overnight(),
        E::NoBooking | E::Bare => false,
    }
}

#[test]
fn two_thousand_tickets_show_every_exception() {
    for months in [1, 3, 12, 60] {
        let business = Business::new(&options(2000, months)).unwrap();
        for (exception, _) in Exception::ALL {
            let shown = business.sales().any(|sale| shows(exception, &sale, &business));
            assert!(shown, "{exception:?} is missing from {months} months");
        }
    }
}

#[test]
fn most_sales_are_sound() {
    let business = Business::new(&options(50_000, 2)).unwrap();
    let (mut sound, mut all) = (0, 0);
    for sale in business.sales() {
        all += 1;
        let price: i64 = sale.tickets.iter().map(|ticket| ticket.price).sum();
        let Some(booking) = &sale.booking else {
            continue;
        };
        let [payment] = &sale.payments[..] else {
            continue;
        };
        sound += u32::from(
            booking.status == BookingStatus::Confirmed
                && booking.currency == EUR
                && booking.total == price
                && payment.status == PaymentStatus::Completed
                && (payment.amount, payment.currency) == (price, EUR)
                && sale.tickets.iter().all(|ticket| ticket.passenger.is_some() && ticket.fare.is_some()),
        );
    }
    assert!(sound * 100 > all * 90, "{sound} of {all}");
}

#[test]
fn nobody_travels_before_buying_or_later_than_sold_ahead() {
    let business = Business::new(&options(20_000, 2)).unwrap();
    for ticket in business.sales().flat_map(|sale| sale.tickets) {
        let departure = business.railway.departure(ticket.trip);
        assert!(departure > ticket.issued_at, "{ticket:?}");
        let ahead = ticket.trip.day - business.railway.calendar.day_of(ticket.issued_at);
        assert!(ahead <= 61, "{ticket:?} is {ahead} days ahead");
        assert!(ticket.price > 0);
        assert_eq!(ticket.status == TicketStatus::CheckedIn, ticket.checked_in_at.is_some());
        assert!(ticket.checked_in_at.is_none_or(|at| at > ticket.issued_at && at < departure + HOUR));
        assert!(ticket.cancelled_at.is_none_or(|at| at >= ticket.issued_at && at <= departure + HOUR));
    }
}

#[test]
fn a_night_train_runs_while_the_clocks_change() {
    let spring = DemoOptions { first_month: date(2025, 3, 1), ..options(2000, 1) };
    let business = Business::new(&spring).unwrap();
    let railway = &business.railway;
    let saturday = railway.calendar.days.iter().position(|day| *day == date(2025, 3, 29)).unwrap();
    let shown = business
        .sales()
        .flat_map(|sale| sale.tickets)
        .any(|ticket| ticket.trip.day == saturday && railway.routes[ticket.trip.route].overnight());
    assert!(shown);

    // Half past two does not exist on Sunday: the train leaves at half past three, which is 01:30 in UTC.
    let route = railway.routes.iter().position(|route| route.departure == 150).unwrap();
    let departure = railway.departure(Trip { route, day: saturday + 1 });
    assert_eq!(jiff::Timestamp::from_microsecond(departure).unwrap().to_string(), "2025-03-30T01:30:00Z");
}
