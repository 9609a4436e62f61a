//! What the figures mean. These sentences are the definitions: sheets, data dictionary and docs/definitions.md show them.

/// A figure, a step of the reconciliation or a reason, and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// Its key: in the manifest, in Parquet files and in the files of other languages.
    pub key: &'static str,
    /// Its name in English.
    pub name: &'static str,
    /// What it means, in English.
    pub meaning: &'static str,
}

const fn term(key: &'static str, name: &'static str, meaning: &'static str) -> Term {
    Term { key, name, meaning }
}

/// The figures and the reconciliation's steps and ordinary differences.
pub static TERMS: [Term; 31] = [
    term(
        "tickets",
        "Tickets issued",
        "Tickets whose issued_at lies in the period, whatever their status at the cut. These are the tickets that count as sold.",
    ),
    term(
        "reserved",
        "of which reserved",
        "Tickets issued that are reserved at the cut: their booking isn't confirmed yet, or has failed.",
    ),
    term("cancelled", "of which cancelled", "Tickets issued that are cancelled at the cut and haven't been refunded."),
    term("refunded", "of which refunded", "Tickets issued whose status at the cut is refunded."),
    term("checked_in", "of which checked in", "Tickets issued whose passengers have checked in by the cut."),
    term(
        "passengers",
        "Passengers",
        "Tickets issued that are neither cancelled nor refunded at the cut: each carries one passenger.",
    ),
    term(
        "gross",
        "Gross sales",
        "Sum of the prices of all tickets issued, whatever their status at the cut, in the ticket's currency.",
    ),
    term(
        "refunds",
        "Refunds",
        "Sum of the refunds of the tickets issued, whenever processed up to the cut, where the refund is in the ticket's currency.",
    ),
    term("net", "Net sales", "Gross sales less refunds."),
    term("average_fare", "Average fare", "Gross sales divided by tickets issued, rounded to the cent."),
    term("share", "Share of gross", "The row's gross sales divided by all gross sales in this currency."),
    term(
        "load",
        "Load",
        "Passengers divided by the seats of the trains, as sum over sum, over the trips whose train's capacity is known. Only tickets issued in this period count: a trip for which tickets were issued in other periods too was fuller than this.",
    ),
    term(
        "bookings",
        "Bookings",
        "Distinct bookings that have at least one ticket issued in the period, in the booking's currency.",
    ),
    term("booking_totals", "Booking totals", "Sum of the total amounts of the bookings, each counted once."),
    term(
        "due",
        "Due",
        "Sum of the total amounts of those bookings that are confirmed at the cut. Nothing is due for one that is pending, cancelled or failed.",
    ),
    term(
        "received",
        "Payments received",
        "Payments of the bookings with status completed or refunded, in the booking's currency.",
    ),
    term(
        "given_back",
        "Payments given back",
        "Payments of the bookings with status refunded, in the booking's currency: received once, and returned.",
    ),
    term(
        "paid",
        "Paid",
        "Payments of the bookings with status completed, in the booking's currency: received and kept.",
    ),
    term(
        "outstanding",
        "Outstanding",
        "For each confirmed booking, what is due less what was received, where that is more than nothing. A booking that was overpaid lowers nobody else's debt.",
    ),
    term("tickets_sold", "Tickets sold", "Gross sales: all tickets issued in the period, in the ticket's currency."),
    term(
        "issued_in_other_periods",
        "Tickets of these bookings issued in other periods",
        "The bookings' tickets that were issued before or after the period, at their prices.",
    ),
    term(
        "not_confirmed",
        "Bookings not confirmed: nothing is due",
        "Totals of bookings that are pending, cancelled or failed at the cut.",
    ),
    term(
        "received_not_due",
        "Received for bookings not confirmed, and refunded since",
        "Payments received for bookings that aren't confirmed and of which at least a part has been given back or refunded.",
    ),
    term("less_given_back", "Given back", "Payments received that have been returned."),
    term(
        "payments_completed",
        "Payments completed",
        "All payments of the bookings with status completed, in the payment's currency.",
    ),
    term(
        "payments_given_back",
        "Payments given back, in all",
        "All payments of the bookings with status refunded, in the payment's currency.",
    ),
    term(
        "refunded_in_other_periods",
        "Refunds of tickets issued in other periods",
        "Refunds of those tickets of the bookings that were issued before or after the period.",
    ),
    term(
        "ticket_refunds",
        "Refunds of tickets",
        "All refunds of the tickets issued in the period, in the refund's currency.",
    ),
    term(
        "unexplained",
        "Unexplained",
        "A step's amount less the step before and the differences between them. Anything but 0.00 is a fault in the program or the database, and a control that fails.",
    ),
    term("age", "Age in days", "Days from the exception's own date (its since) to the last day of the period."),
    term(
        "unpaid_age",
        "Age of an outstanding amount",
        "Days from the day until which the booking was to be paid (expires_at, or created_at where that is empty) to the last day of the period.",
    ),
];

/// Why two amounts differ, in the order of their priority: a difference belongs to the first reason that holds, and
/// those after it on the same booking are flags without an amount.
pub static REASONS: [Term; 11] = [
    term(
        "ticket_without_booking",
        "Ticket without booking",
        "The ticket, or the refunded ticket, belongs to no booking.",
    ),
    term(
        "currencies_differ",
        "Currencies differ",
        "A ticket, payment or refund is in another currency than what it belongs to. It is left out of that booking's sums and stands here in its own currency; the difference that this leaves on the booking stands here too.",
    ),
    term(
        "total_unlike_tickets",
        "Booking total unlike its tickets",
        "The booking's total isn't the sum of all its tickets, whenever issued.",
    ),
    term("confirmed_unpaid", "Confirmed but unpaid", "The booking is confirmed and nothing was received for it."),
    term(
        "paid_twice",
        "The same payment twice",
        "Two payments of the booking with the same amount and method, both received, within ten minutes.",
    ),
    term("underpaid", "Underpaid", "Less was received than is due."),
    term("overpaid", "Overpaid", "More was received than is due, or something although nothing is due yet."),
    term(
        "cancelled_not_refunded",
        "Paid but cancelled and not refunded",
        "The booking is cancelled or failed, its payments are kept, and none of its tickets was refunded.",
    ),
    term(
        "refund_above_received",
        "Refunds above what was received",
        "The refunds of the booking's tickets are more than all payments received for it.",
    ),
    term(
        "refunds_unlike_payments",
        "Refunds of tickets unlike refunds of payments",
        "The refunds of the booking's tickets aren't what its payments say was given back.",
    ),
    term(
        "checked_in_unpaid",
        "Checked in on an unpaid booking",
        "The passenger has checked in and nothing was paid for the booking. A flag without an amount: nothing is due for a booking that isn't confirmed, and for one that is the amount stands under the reason why it is unpaid.",
    ),
];

/// The English words of a key.
#[must_use]
pub fn find(key: &str) -> Option<&'static Term> {
    TERMS.iter().chain(&REASONS).find(|term| term.key == key)
}
