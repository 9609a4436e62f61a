//! How a sound sale becomes an instance of an exception.

use rand::{Rng, RngExt};

use super::Exception;
use crate::demo::{
    calendar::{DAY, MINUTE, Micros, SECOND},
    model::{Booking, BookingStatus, CHF, GBP, Payment, PaymentStatus, Refund, Sale, TicketStatus},
    railway::Railway,
};

impl Exception {
    /// Makes a sound sale an instance of the exception.
    pub(crate) fn apply(self, sale: &mut Sale, railway: &Railway, rng: &mut impl Rng) {
        match self {
            Self::NoBooking => drop_booking(sale),
            Self::NoPassenger => sale.tickets[0].passenger = None,
            Self::NoFare => sale.tickets[0].fare = None,
            Self::NoSeat => sale.tickets[0].seat = None,
            Self::Bare => {
                drop_booking(sale);
                for ticket in &mut sale.tickets {
                    (ticket.passenger, ticket.fare, ticket.seat) = (None, None, None);
                }
            }
            // Made so when the trip was chosen, or when the second ticket was.
            Self::NoTrain | Self::Overnight | Self::AddedLater => {}
            Self::BookedInFrancs => book_in_francs(sale),
            Self::TicketInPounds => {
                if let Some(ticket) = sale.tickets.last_mut() {
                    ticket.currency = GBP;
                }
            }
            Self::TotalUnlikeTickets => {
                change_booking(sale, |booking| {
                    booking.total += if booking.total % 2 == 0 { 1 } else { 450 };
                });
                pay_total(sale);
            }
            Self::PaymentPending => {
                unpaid(sale, BookingStatus::Pending, PaymentStatus::Pending, TicketStatus::Reserved)
            }
            Self::PaymentFailed => unpaid(sale, BookingStatus::Failed, PaymentStatus::Failed, TicketStatus::Reserved),
            Self::CheckedInUnpaid => check_in_unpaid(sale, railway, rng),
            Self::Expired => expire(sale),
            Self::PaymentMissing => {
                sale.payments.clear();
                set_tickets(sale, TicketStatus::Issued);
            }
            Self::CancelledNotRefunded => cancel(sale, TicketStatus::Cancelled, railway, rng),
            Self::RefundedInFull | Self::RefundedInPart | Self::RefundInFrancs | Self::RefundAboveReceived => {
                self.refund(sale, railway, rng);
            }
            Self::OneTicketRefunded => refund_first_ticket(sale, railway, rng),
            _ => self.change_payment(sale, rng),
        }
    }

    fn change_payment(self, sale: &mut Sale, rng: &mut impl Rng) {
        let Some(paid) = sale.payments.first_mut() else {
            return;
        };
        let mut other = paid.clone();
        match self {
            Self::PaidInFrancs => (paid.currency, paid.amount) = (CHF, paid.amount * 95 / 100),
            Self::PaidInPounds => (paid.currency, paid.amount) = (GBP, paid.amount * 85 / 100),
            Self::Overpaid => paid.amount += rng.random_range(1..=20) * 100,
            Self::Underpaid => paid.amount -= rng.random_range(1..=paid.amount / 2),
            Self::PaidTwice => {
                let later = rng.random_range(MINUTE..10 * MINUTE);
                (other.paid_at, other.created_at) = (paid.paid_at.map(|at| at + later), paid.created_at + later);
                sale.payments.push(other);
            }
            Self::PaidAtSecondAttempt => {
                (other.status, other.paid_at) = (PaymentStatus::Failed, None);
                other.created_at -= rng.random_range(30 * SECOND..5 * MINUTE);
                paid.attempt += 1;
                sale.payments.insert(0, other);
            }
            Self::PaidAtOnce => {
                (other.status, other.method) = (PaymentStatus::Failed, "voucher");
                other.attempt += 1;
                sale.payments.push(other);
            }
            _ => {}
        }
    }

    fn refund(self, sale: &mut Sale, railway: &Railway, rng: &mut impl Rng) {
        cancel(sale, TicketStatus::Refunded, railway, rng);
        for index in 0..sale.tickets.len() {
            let ticket = &sale.tickets[index];
            let mut refund = refund_of(sale, index, ticket.price, rng);
            match self {
                Self::RefundedInPart => {
                    let first = ticket.price * rng.random_range(30..60) / 100;
                    let second = ticket.price / 4;
                    let days_later = refund.processed_at + rng.random_range(MINUTE..3 * DAY);
                    (refund.amount, refund.reason) = (first, "cancelled by the passenger, fee kept");
                    let goodwill =
                        Refund { amount: second, processed_at: days_later, reason: "goodwill", ..refund.clone() };
                    sale.refunds.push(goodwill);
                }
                Self::RefundInFrancs if index == 0 => refund.currency = CHF,
                Self::RefundAboveReceived => refund.amount = ticket.price * 3 / 2,
                _ => {}
            }
            sale.refunds.push(refund);
        }
        if self != Self::RefundedInPart {
            set_payments(sale, PaymentStatus::Refunded);
        }
    }
}

fn change_booking(sale: &mut Sale, change: impl FnOnce(&mut Booking)) {
    if let Some(booking) = &mut sale.booking {
        change(booking);
    }
}

fn drop_booking(sale: &mut Sale) {
    sale.booking = None;
    sale.payments.clear();
}

fn set_tickets(sale: &mut Sale, status: TicketStatus) {
    for ticket in &mut sale.tickets {
        (ticket.status, ticket.checked_in_at) = (status, None);
    }
}

fn set_payments(sale: &mut Sale, status: PaymentStatus) {
    for payment in &mut sale.payments {
        payment.status = status;
        if matches!(status, PaymentStatus::Pending | PaymentStatus::Failed) {
            payment.paid_at = None;
        }
    }
}

fn pay_total(sale: &mut Sale) {
    if let (Some(booking), Some(payment)) = (&sale.booking, sale.payments.first_mut()) {
        payment.amount = booking.total;
    }
}

fn unpaid(sale: &mut Sale, booking: BookingStatus, payment: PaymentStatus, ticket: TicketStatus) {
    change_booking(sale, |it| it.status = booking);
    set_payments(sale, payment);
    set_tickets(sale, ticket);
}

fn expire(sale: &mut Sale) {
    change_booking(sale, |booking| booking.status = BookingStatus::Cancelled);
    sale.payments.clear();
    set_tickets(sale, TicketStatus::Cancelled);
    let expiry = sale.booking.as_ref().map_or(0, |booking| booking.expires_at);
    for ticket in &mut sale.tickets {
        ticket.cancelled_at = Some(expiry.max(ticket.issued_at));
        ticket.notes = Some("not paid in time");
    }
}

fn check_in_unpaid(sale: &mut Sale, railway: &Railway, rng: &mut impl Rng) {
    unpaid(sale, BookingStatus::Pending, PaymentStatus::Pending, TicketStatus::CheckedIn);
    for index in 0..sale.tickets.len() {
        sale.tickets[index].checked_in_at = Some(before_departure(sale, index, railway, rng));
    }
}

fn book_in_francs(sale: &mut Sale) {
    for ticket in &mut sale.tickets {
        (ticket.price, ticket.currency) = (ticket.price * 95 / 100, CHF);
    }
    let total = sale.tickets.iter().map(|ticket| ticket.price).sum();
    change_booking(sale, |booking| (booking.total, booking.currency) = (total, CHF));
    for payment in &mut sale.payments {
        payment.currency = CHF;
    }
    pay_total(sale);
}

/// Cancels the booking and all its tickets.
fn cancel(sale: &mut Sale, status: TicketStatus, railway: &Railway, rng: &mut impl Rng) {
    change_booking(sale, |booking| booking.status = BookingStatus::Cancelled);
    set_tickets(sale, status);
    for index in 0..sale.tickets.len() {
        sale.tickets[index].cancelled_at = Some(before_departure(sale, index, railway, rng));
    }
}

/// Splits the payment in two, one of which paid for the first ticket and is given back.
fn refund_first_ticket(sale: &mut Sale, railway: &Railway, rng: &mut impl Rng) {
    let price = sale.tickets[0].price;
    let cancelled_at = before_departure(sale, 0, railway, rng);
    let ticket = &mut sale.tickets[0];
    (ticket.status, ticket.checked_in_at) = (TicketStatus::Refunded, None);
    ticket.cancelled_at = Some(cancelled_at);

    let refund = refund_of(sale, 0, price, rng);
    sale.refunds.push(refund);
    let Some(paid) = sale.payments.first_mut() else {
        return;
    };
    if paid.amount == price {
        paid.status = PaymentStatus::Refunded;
        return;
    }
    paid.amount -= price;
    let given_back = Payment {
        attempt: paid.attempt + 1,
        amount: price,
        status: PaymentStatus::Refunded,
        paid_at: paid.paid_at.map(|at| at + SECOND),
        ..paid.clone()
    };
    sale.payments.push(given_back);
}

fn refund_of(sale: &Sale, index: usize, amount: i64, rng: &mut impl Rng) -> Refund {
    let ticket = &sale.tickets[index];
    Refund {
        ticket: index,
        amount,
        currency: ticket.currency,
        processed_at: ticket.cancelled_at.unwrap_or(ticket.issued_at) + rng.random_range(MINUTE..2 * DAY),
        reason: "cancelled by the passenger",
    }
}

/// A moment between a ticket's issue and its departure, as far as the demo's data reach.
fn before_departure(sale: &Sale, index: usize, railway: &Railway, rng: &mut impl Rng) -> Micros {
    let ticket = &sale.tickets[index];
    let end = railway.departure(ticket.trip).min(railway.calendar.taken_at);
    rng.random_range(ticket.issued_at + SECOND..end.max(ticket.issued_at + MINUTE))
}
