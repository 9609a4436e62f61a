//! What goes wrong, or merely otherwise, in a real business. Each exception turns a sound sale into one that a
//! controller has to look at.

mod apply;

use rand::{Rng, RngExt};

/// One way in which a sale differs from most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Exception {
    /// The first payment failed, the second went through.
    PaidAtSecondAttempt,
    /// The payment has not arrived yet.
    PaymentPending,
    /// The payment failed and nobody tried again.
    PaymentFailed,
    /// Nobody paid in time.
    Expired,
    /// Cancelled, and all given back.
    RefundedInFull,
    /// Cancelled, a part given back in two steps, the payment still called completed.
    RefundedInPart,
    /// Paid in two payments, one of which was given back with its ticket.
    OneTicketRefunded,
    /// The ticket was in euro, its refund in francs.
    RefundInFrancs,
    /// More was refunded than received.
    RefundAboveReceived,
    /// Confirmed without any payment.
    PaymentMissing,
    /// A booking in euro paid in francs.
    PaidInFrancs,
    /// A booking in euro paid in pounds.
    PaidInPounds,
    /// All of it in francs.
    BookedInFrancs,
    /// One ticket in another currency than its booking.
    TicketInPounds,
    /// The same payment a second time within ten minutes.
    PaidTwice,
    /// A few euro too many.
    Overpaid,
    /// Less than was due.
    Underpaid,
    /// The booking's total isn't the sum of its tickets.
    TotalUnlikeTickets,
    /// Cancelled, paid, and nothing given back.
    CancelledNotRefunded,
    /// Checked in although the payment never arrived.
    CheckedInUnpaid,
    /// Two payments of the same microsecond, told apart only by their ids.
    PaidAtOnce,
    /// A ticket added to the booking later: as a special at the border of two months, on either side.
    AddedLater,
    /// No booking.
    NoBooking,
    /// No passenger.
    NoPassenger,
    /// No fare.
    NoFare,
    /// No seat.
    NoSeat,
    /// Neither booking nor passenger nor fare nor seat.
    Bare,
    /// A trip without a train.
    NoTrain,
    /// A trip over midnight, on the night the clocks change if that's near.
    Overnight,
}

impl Exception {
    /// All of them, and how many in 100,000 ordinary sales turn out so.
    pub(crate) const ALL: [(Self, u32); 29] = [
        (Self::PaidAtSecondAttempt, 900),
        (Self::RefundedInFull, 900),
        (Self::PaymentPending, 500),
        (Self::Expired, 600),
        (Self::RefundedInPart, 400),
        (Self::OneTicketRefunded, 300),
        (Self::PaymentFailed, 400),
        (Self::AddedLater, 500),
        (Self::PaymentMissing, 150),
        (Self::PaidInFrancs, 150),
        (Self::PaidInPounds, 120),
        (Self::BookedInFrancs, 700),
        (Self::TicketInPounds, 100),
        (Self::PaidTwice, 200),
        (Self::Overpaid, 150),
        (Self::Underpaid, 150),
        (Self::TotalUnlikeTickets, 150),
        (Self::CancelledNotRefunded, 250),
        (Self::CheckedInUnpaid, 100),
        (Self::RefundAboveReceived, 60),
        (Self::RefundInFrancs, 60),
        (Self::PaidAtOnce, 60),
        (Self::NoBooking, 300),
        (Self::NoPassenger, 300),
        (Self::NoFare, 300),
        (Self::NoSeat, 400),
        (Self::Bare, 50),
        (Self::NoTrain, 50),
        (Self::Overnight, 100),
    ];

    /// The exception of an ordinary sale, mostly none.
    pub(crate) fn by_chance(rng: &mut impl Rng) -> Option<Self> {
        let mut left = rng.random_range(0..100_000);
        Self::ALL.into_iter().find_map(|(exception, rate)| match u32::checked_sub(left, rate) {
            Some(rest) => {
                left = rest;
                None
            }
            None => Some(exception),
        })
    }

    /// The tickets of a sale that is made to show the exception: as few as can.
    pub(crate) fn tickets(self) -> u64 {
        match self {
            Self::OneTicketRefunded | Self::TicketInPounds | Self::AddedLater => 2,
            _ => 1,
        }
    }
}
