//! Who sits where: no seat of a trip is sold twice, and once a class is full its later tickets have no seat.

use super::{
    model::{Ticket, TicketStatus},
    railway::Railway,
};

/// A seat of a train, both by their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) train: usize,
    pub(crate) place: u16,
}

/// How many seats of each class every trip has sold: all that must be remembered between two tickets.
#[derive(Debug)]
pub(crate) struct Seating<'r> {
    railway: &'r Railway,
    sold: Vec<[u16; 4]>,
}

impl<'r> Seating<'r> {
    pub(crate) fn new(railway: &'r Railway) -> Self {
        Self { railway, sold: vec![[0; 4]; railway.trips()] }
    }

    /// The seat that goes with a ticket. Those of one booking sit together, as they ask one after another.
    pub(crate) fn seat(&mut self, ticket: &Ticket) -> Option<Seat> {
        let class = ticket.seat?;
        // Who cancelled has given the seat back.
        if matches!(ticket.status, TicketStatus::Cancelled | TicketStatus::Refunded) {
            return None;
        }
        let train = self.railway.train(ticket.trip)?;
        let number = self.railway.number(ticket.trip);
        let seats = self.railway.seats(ticket.trip.route, class);
        let sold = &mut self.sold[number][class as usize];
        if usize::from(*sold) >= seats.len() {
            return None;
        }
        // Each trip begins at another place, or the front seats would be the only ones ever sold.
        let place = seats[(usize::from(*sold) + number * 7) % seats.len()];
        *sold += 1;
        Some(Seat { train, place })
    }
}
