//! What a sale consists of. Amounts are in cents (hundredths of the currency beside them), instants in microseconds
//! since 1970-01-01 UTC.

use super::{
    calendar::Micros,
    railway::{SeatClass, Trip},
};

pub(crate) const EUR: &str = "EUR";
pub(crate) const CHF: &str = "CHF";
pub(crate) const GBP: &str = "GBP";

/// The enum `booking_status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BookingStatus {
    Pending,
    Confirmed,
    Cancelled,
    Failed,
}

impl BookingStatus {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

/// The enum `ticket_status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TicketStatus {
    Reserved,
    Issued,
    CheckedIn,
    Cancelled,
    Refunded,
}

impl TicketStatus {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Issued => "issued",
            Self::CheckedIn => "checked_in",
            Self::Cancelled => "cancelled",
            Self::Refunded => "refunded",
        }
    }
}

/// The enum `payment_status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PaymentStatus {
    Pending,
    Completed,
    Failed,
    Refunded,
}

impl PaymentStatus {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Refunded => "refunded",
        }
    }
}

/// A purchase: mostly a booking with its tickets and one payment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sale {
    /// From which the booking's keys follow.
    pub(crate) number: u64,
    /// None when the tickets were sold without one.
    pub(crate) booking: Option<Booking>,
    pub(crate) tickets: Vec<Ticket>,
    pub(crate) payments: Vec<Payment>,
    pub(crate) refunds: Vec<Refund>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Booking {
    /// The passenger whose account it is in.
    pub(crate) booker: u64,
    pub(crate) status: BookingStatus,
    pub(crate) total: i64,
    pub(crate) currency: &'static str,
    pub(crate) created_at: Micros,
    pub(crate) expires_at: Micros,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ticket {
    /// From which the ticket's keys follow.
    pub(crate) number: u64,
    pub(crate) passenger: Option<u64>,
    pub(crate) trip: Trip,
    /// A place among the railway's fares.
    pub(crate) fare: Option<usize>,
    /// The class to sit in, if a seat goes with the ticket and one is left.
    pub(crate) seat: Option<SeatClass>,
    pub(crate) price: i64,
    pub(crate) currency: &'static str,
    pub(crate) status: TicketStatus,
    pub(crate) issued_at: Micros,
    pub(crate) cancelled_at: Option<Micros>,
    pub(crate) checked_in_at: Option<Micros>,
    pub(crate) notes: Option<&'static str>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Payment {
    /// From which the provider's reference follows; the same for a payment that was reported twice.
    pub(crate) attempt: u64,
    pub(crate) amount: i64,
    pub(crate) currency: &'static str,
    pub(crate) method: &'static str,
    pub(crate) status: PaymentStatus,
    pub(crate) paid_at: Option<Micros>,
    pub(crate) created_at: Micros,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refund {
    /// A place among the sale's tickets.
    pub(crate) ticket: usize,
    pub(crate) amount: i64,
    pub(crate) currency: &'static str,
    pub(crate) processed_at: Micros,
    pub(crate) reason: &'static str,
}
