//! Why a booking's amounts differ: each difference has one reason. Amounts are in minor units of the booking's currency.

/// Steps with which a chain of the reconciliation begins: nothing before them leads to them.
pub const STARTS: [&str; 2] = ["tickets_sold", "payments_given_back"];

/// The way from one step of the reconciliation to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// From the tickets sold to the booking totals.
    Totals,
    /// From there to what is due.
    Due,
    /// From there to the payments received.
    Received,
    /// From there to the payments completed.
    Completed,
    /// From the payments given back to the refunds of tickets.
    Refunds,
}

impl Stage {
    /// All of them, each with the key of the step that it leads to and of the differences that it may have.
    pub const ALL: [(Self, &'static str, &'static [&'static str]); 5] = [
        (
            Self::Totals,
            "booking_totals",
            &["ticket_without_booking", "issued_in_other_periods", "currencies_differ", "total_unlike_tickets"],
        ),
        (Self::Due, "due", &["not_confirmed"]),
        (
            Self::Received,
            "received",
            &[
                "currencies_differ",
                "confirmed_unpaid",
                "paid_twice",
                "underpaid",
                "overpaid",
                "cancelled_not_refunded",
                "received_not_due",
            ],
        ),
        (Self::Completed, "payments_completed", &["less_given_back", "currencies_differ"]),
        (
            Self::Refunds,
            "ticket_refunds",
            &[
                "ticket_without_booking",
                "currencies_differ",
                "refund_above_received",
                "refunds_unlike_payments",
                "refunded_in_other_periods",
            ],
        ),
    ];

    /// Its key in the table of exceptions: that of the step it leads to.
    #[must_use]
    pub fn key(self) -> &'static str {
        Self::ALL.iter().find(|(stage, ..)| *stage == self).map_or("", |(_, key, _)| key)
    }
}

/// What is known of a booking.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Booking<'a> {
    /// Its status at the cut.
    pub status: &'a str,
    /// Its total.
    pub total: i128,
    /// Sum of all its tickets in its currency.
    pub ticket_total: i128,
    /// Of those issued in the period.
    pub period_ticket_total: i128,
    /// Whether it has tickets in another currency.
    pub other_tickets: bool,
    /// Sum of all its tickets' refunds in its currency.
    pub refund_total: i128,
    /// Of those issued in the period.
    pub period_refund_total: i128,
    /// Whether it has refunds in another currency than their ticket or itself.
    pub other_refunds: bool,
    /// Payments completed in its currency.
    pub completed: i128,
    /// Payments refunded in its currency.
    pub given_back: i128,
    /// Of both, those that repeat an earlier one.
    pub twice: i128,
    /// Whether payments were received in another currency.
    pub other_payments: bool,
}

/// A difference on a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// Where it stands.
    pub stage: Stage,
    /// The key of the reason, or of the term where it is in the ordinary course of business.
    pub key: &'static str,
    /// How much; `None` for a further reason, which is a flag only.
    pub amount: Option<i128>,
}

impl Booking<'_> {
    /// Whether it is to be paid.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.status == "confirmed"
    }

    /// What is to be paid for it.
    #[must_use]
    pub fn due(&self) -> i128 {
        if self.is_confirmed() { self.total } else { 0 }
    }

    /// What was received for it.
    #[must_use]
    pub fn received(&self) -> i128 {
        self.completed + self.given_back
    }

    /// What is due and wasn't received.
    #[must_use]
    pub fn outstanding(&self) -> i128 {
        if self.is_confirmed() { (self.total - self.received()).max(0) } else { 0 }
    }

    /// All differences, in the order of the stages. Added to the period's tickets they give the total, what is due, what
    /// was received and completed; added to what was given back, the refunds of the period's tickets.
    #[must_use]
    pub fn differences(&self) -> Vec<Difference> {
        let mut found = Found(Vec::new());
        let elsewhere = self.ticket_total - self.period_ticket_total;
        found.ordinary(Stage::Totals, "issued_in_other_periods", elsewhere);
        let reasons = [(self.other_tickets, "currencies_differ"), (true, "total_unlike_tickets")];
        found.exception(Stage::Totals, self.total - self.ticket_total, &reasons);

        found.ordinary(Stage::Due, "not_confirmed", self.due() - self.total);

        let received = self.received();
        let beyond = received - self.due();
        let refunded = self.given_back != 0 || self.refund_total != 0 || self.other_refunds;
        if !self.is_confirmed() && refunded {
            found.ordinary(Stage::Received, "received_not_due", beyond);
        } else {
            let given_up = matches!(self.status, "cancelled" | "failed") && received > 0;
            let reasons = [
                (self.other_payments, "currencies_differ"),
                (received == 0 && self.due() > 0 && !self.other_payments, "confirmed_unpaid"),
                (self.twice > 0 && beyond > 0, "paid_twice"),
                (beyond < 0 && received != 0, "underpaid"),
                (given_up, "cancelled_not_refunded"),
                (beyond > 0 && !given_up && beyond != self.twice, "overpaid"),
                // It explains no lack of money, but is worth a look all the same.
                (self.twice > 0 && beyond <= 0, "paid_twice"),
            ];
            found.exception(Stage::Received, beyond, &reasons);
        }

        found.ordinary(Stage::Completed, "less_given_back", -self.given_back);

        let reasons = [
            (self.other_refunds, "currencies_differ"),
            (self.refund_total > received, "refund_above_received"),
            (true, "refunds_unlike_payments"),
        ];
        found.exception(Stage::Refunds, self.refund_total - self.given_back, &reasons);
        found.ordinary(Stage::Refunds, "refunded_in_other_periods", self.period_refund_total - self.refund_total);
        found.0
    }
}

struct Found(Vec<Difference>);

impl Found {
    fn ordinary(&mut self, stage: Stage, key: &'static str, amount: i128) {
        if amount != 0 {
            self.0.push(Difference { stage, key, amount: Some(amount) });
        }
    }

    /// The first reason that holds has the amount. Those after it are flags, but for the last, which is only for what
    /// none of the others explains. Without a difference only a payment made twice is worth a flag.
    fn exception(&mut self, stage: Stage, amount: i128, reasons: &[(bool, &'static str)]) {
        let holding = reasons.iter().filter(|(holds, _)| *holds).map(|(_, key)| *key);
        if amount == 0 {
            self.0.extend(holding.filter(|key| *key == "paid_twice").map(|key| Difference {
                stage,
                key,
                amount: None,
            }));
            return;
        }
        for (i, key) in holding.enumerate() {
            let last_resort = matches!(key, "total_unlike_tickets" | "refunds_unlike_payments");
            if i == 0 {
                self.0.push(Difference { stage, key, amount: Some(amount) });
            } else if !last_resort {
                self.0.push(Difference { stage, key, amount: None });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A booking of one ticket, paid in full.
    fn sound() -> Booking<'static> {
        Booking {
            status: "confirmed",
            total: 5_000,
            ticket_total: 5_000,
            period_ticket_total: 5_000,
            completed: 5_000,
            ..Booking::default()
        }
    }

    fn exceptions(booking: &Booking<'_>) -> Vec<(&'static str, Option<i128>)> {
        let reason = |key: &str| super::super::terms::REASONS.iter().any(|reason| reason.key == key);
        booking.differences().iter().filter(|d| reason(d.key)).map(|d| (d.key, d.amount)).collect()
    }

    #[test]
    fn each_difference_has_one_reason() {
        let cancelled = Booking { status: "cancelled", ..sound() };
        let cases = [
            (sound(), vec![]),
            (Booking { completed: 0, ..sound() }, vec![("confirmed_unpaid", Some(-5_000))]),
            (Booking { completed: 4_000, ..sound() }, vec![("underpaid", Some(-1_000))]),
            (Booking { completed: 5_300, ..sound() }, vec![("overpaid", Some(300))]),
            (Booking { completed: 10_000, twice: 5_000, ..sound() }, vec![("paid_twice", Some(5_000))]),
            (
                Booking { completed: 10_300, twice: 5_000, ..sound() },
                vec![("paid_twice", Some(5_300)), ("overpaid", None)],
            ),
            (Booking { twice: 2_500, ..sound() }, vec![("paid_twice", None)]),
            (
                Booking { completed: 4_000, twice: 2_000, ..sound() },
                vec![("underpaid", Some(-1_000)), ("paid_twice", None)],
            ),
            (Booking { completed: 0, other_payments: true, ..sound() }, vec![("currencies_differ", Some(-5_000))]),
            (Booking { total: 5_001, completed: 5_001, ..sound() }, vec![("total_unlike_tickets", Some(1))]),
            (
                Booking { ticket_total: 3_000, period_ticket_total: 3_000, other_tickets: true, ..sound() },
                vec![("currencies_differ", Some(2_000))],
            ),
            (cancelled.clone(), vec![("cancelled_not_refunded", Some(5_000))]),
            (Booking { completed: 0, ..cancelled.clone() }, vec![]),
            (Booking { status: "pending", ..sound() }, vec![("overpaid", Some(5_000))]),
            (
                Booking { refund_total: 3_000, period_refund_total: 3_000, ..cancelled.clone() },
                vec![("refunds_unlike_payments", Some(3_000))],
            ),
            (
                Booking {
                    completed: 0,
                    given_back: 5_000,
                    refund_total: 5_000,
                    period_refund_total: 5_000,
                    ..cancelled.clone()
                },
                vec![],
            ),
            (
                Booking {
                    completed: 0,
                    given_back: 5_000,
                    refund_total: 7_500,
                    period_refund_total: 7_500,
                    ..cancelled.clone()
                },
                vec![("refund_above_received", Some(2_500))],
            ),
            (
                Booking { completed: 0, given_back: 5_000, other_refunds: true, ..cancelled },
                vec![("currencies_differ", Some(-5_000))],
            ),
        ];
        for (booking, expected) in cases {
            assert_eq!(exceptions(&booking), expected, "{booking:?}");
        }
    }

    #[test]
    fn differences_add_up_to_each_step() {
        let amounts = [0, 1, 2_500, 5_000, -300];
        let pick = |n: usize, of: usize| amounts[n / 5_usize.pow(u32::try_from(of).unwrap()) % 5];
        for status in ["pending", "confirmed", "cancelled", "failed"] {
            for n in 0..5_usize.pow(7) {
                let flags = [n % 2 == 0, n % 3 == 0, n % 7 == 0];
                let booking = Booking {
                    status,
                    total: pick(n, 0),
                    ticket_total: pick(n, 1),
                    period_ticket_total: pick(n, 2),
                    completed: pick(n, 3),
                    given_back: pick(n, 4),
                    refund_total: pick(n, 5),
                    period_refund_total: pick(n, 6),
                    twice: if flags[0] { pick(n, 3) } else { 0 },
                    other_tickets: flags[1],
                    other_payments: flags[2],
                    other_refunds: flags[1] && flags[0],
                };
                let differences = booking.differences();
                let sum =
                    |stage| -> i128 { differences.iter().filter(|d| d.stage == stage).filter_map(|d| d.amount).sum() };
                assert_eq!(booking.period_ticket_total + sum(Stage::Totals), booking.total, "{booking:?}");
                assert_eq!(booking.total + sum(Stage::Due), booking.due(), "{booking:?}");
                assert_eq!(booking.due() + sum(Stage::Received), booking.received(), "{booking:?}");
                assert_eq!(booking.received() + sum(Stage::Completed), booking.completed, "{booking:?}");
                assert_eq!(booking.given_back + sum(Stage::Refunds), booking.period_refund_total, "{booking:?}");
            }
        }
    }
}
