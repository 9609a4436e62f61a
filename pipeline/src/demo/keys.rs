//! Keys by arithmetic: ids, references and random streams follow from the seed and a number, so that a row can be made
//! again in a later pass, or pointed to, without a table of what was made.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use uuid::{Builder, Uuid};

/// The thing a key belongs to. Two things with the same number still get different ids.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Of {
    Station = 1,
    Route,
    Fare,
    Train,
    Carriage,
    Seat,
    Trip,
    Household,
    Passenger,
    Booking,
    Ticket,
    Payment,
    Refund,
}

/// Numbers a month's bookings, and its tickets, can take: 2^24, more than the most tickets a demo may have.
const IN_A_MONTH: u64 = 1 << 24;

/// Bits of a reference, five for each of its eight characters.
const REFERENCE_BITS: u32 = 40;

/// Digits and letters that nobody mistakes for one another on a printed ticket.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// The number of the `index`-th booking or ticket of a month.
pub(crate) fn in_month(month: usize, index: u64) -> u64 {
    debug_assert!(index < IN_A_MONTH, "a month's numbers would run into the next one's");
    month as u64 * IN_A_MONTH + index
}

/// What everything random in a demo database follows from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    /// The id of a thing, shaped like a random UUID.
    pub(crate) fn id(self, of: Of, number: u64) -> Uuid {
        let high = self.chance(of, number);
        let low = scramble(high ^ number.rotate_left(32));
        let bits = u128::from(high) << 64 | u128::from(low);
        Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }

    /// A fixed random number of a thing, for a single decision.
    pub(crate) fn chance(self, of: Of, number: u64) -> u64 {
        scramble(scramble(self.0 ^ ((of as u64) << 56)) ^ number)
    }

    /// A stream of random numbers of a thing's own.
    pub(crate) fn stream(self, of: Of, number: u64) -> ChaCha8Rng {
        let mut key = [0; 32];
        for (place, word) in key.chunks_exact_mut(8).zip([self.0, of as u64, number]) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        ChaCha8Rng::from_seed(key)
    }

    /// A printed reference such as `BK7Q2M9X4D`. Numbers below 2^40 have different references, because every step can
    /// be undone, and neighbours don't resemble each other.
    pub(crate) fn reference(self, prefix: &str, of: Of, number: u64) -> String {
        const MASK: u64 = (1 << REFERENCE_BITS) - 1;
        debug_assert!(number <= MASK, "references are unique for 40 bits only");

        let mut bits = number;
        for round in 0..3 {
            let odd = self.chance(of, round) | 1;
            bits = (bits ^ (odd >> 20)) & MASK;
            bits = bits.wrapping_mul(odd) & MASK;
            bits ^= bits >> 19;
        }
        let letters = (0..REFERENCE_BITS / 5).map(|at| char::from(ALPHABET[(bits >> (at * 5) & 31) as usize]));
        prefix.chars().chain(letters).collect()
    }
}

/// Spreads a number over all 64 bits; different numbers stay different.
fn scramble(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn references_are_unique_and_out_of_order() {
        let seed = Seed(7);
        let numbers = (0..100_000).map(|n| in_month((n / 10_000) as usize, n));
        let references: Vec<_> = numbers.map(|n| seed.reference("TK", Of::Ticket, n)).collect();

        assert!(references.iter().all(|reference| reference.len() == 10));
        assert_eq!(references.iter().collect::<HashSet<_>>().len(), references.len());
        assert!(!references.is_sorted());
    }

    #[test]
    fn ids_tell_things_and_seeds_apart() {
        let ids = [
            Seed(1).id(Of::Ticket, 1),
            Seed(1).id(Of::Ticket, 2),
            Seed(1).id(Of::Booking, 1),
            Seed(2).id(Of::Ticket, 1),
        ];
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 4);
        assert_eq!(ids[0].get_version_num(), 4);
        assert_eq!(ids[0], Seed(1).id(Of::Ticket, 1));
    }
}
