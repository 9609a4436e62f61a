//! A deflate encoder for text whose writer knows what repeats.
//!
//! A general encoder finds repetitions by hashing every position. The row writer knows them: what stands between two
//! values stood there in the row before, and most values have been written lately. So it says with each piece of text
//! where that piece was written before, and the tape keeps literals and matches ready to be coded. A hint that
//! may be wrong is looked at, and then taken as none.

use super::{deflate::Deflated, huffman::Code};

/// How far back deflate can refer.
const WINDOW: usize = 32_768;

/// The longest match that deflate has.
const LONGEST: usize = 258;

/// Shorter repetitions cost as much as what they repeat.
const SHORTEST: usize = 4;

/// Places of values written lately, by hash. A power of two.
const RECENT: usize = 1024;

/// The end of a block, in the alphabet of literals and lengths.
const END_OF_BLOCK: usize = 256;

const MATCH: u32 = 1 << 31;

/// Text, and how it is made of literals and matches.
pub(super) struct Tape {
    text: Vec<u8>,
    /// A run of so many literals, or with the highest bit a match: its length less 3 above 15 bits of distance less 1.
    tokens: Vec<u32>,
    literals: usize,
    /// The match that may still grow: distance and length, or length 0.
    distance: usize,
    length: usize,
    recent: Box<[u32; RECENT]>,
}

impl Tape {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            text: Vec::with_capacity(capacity),
            tokens: Vec::with_capacity(capacity / 12),
            literals: 0,
            distance: 0,
            length: 0,
            recent: Box::new([u32::MAX; RECENT]),
        }
    }

    /// Where the next piece will stand.
    pub(super) fn position(&self) -> usize {
        self.text.len()
    }

    /// Appends text that nothing is known of.
    pub(super) fn literal(&mut self, text: &[u8]) {
        self.end_match();
        self.text.extend_from_slice(text);
        self.literals += text.len();
    }

    /// Appends text that may stand at `from` already.
    pub(super) fn repeat(&mut self, text: &[u8], from: usize) {
        if self.stands(text, from) { self.again(text, from) } else { self.literal(text) }
    }

    fn stands(&self, text: &[u8], from: usize) -> bool {
        self.text.get(from..from.saturating_add(text.len())) == Some(text)
    }

    /// Appends text that does stand at `from`, unless nothing was written there yet. It isn't looked at: if the caller
    /// were wrong, readers would find that the checksum, which is of the text, doesn't fit.
    pub(super) fn again(&mut self, text: &[u8], from: usize) {
        let here = self.text.len();
        let distance = here.wrapping_sub(from);
        if from >= here || distance > WINDOW {
            return self.literal(text);
        }
        if self.length > 0 && self.distance == distance {
            self.length += text.len();
        } else {
            self.end_match();
            self.end_literals();
            (self.distance, self.length) = (distance, text.len());
        }
        self.text.extend_from_slice(text);
    }

    /// Appends a value that may stand at `from` already, or have been written lately anywhere.
    pub(super) fn value(&mut self, text: &[u8], from: usize) {
        let here = self.text.len();
        let hash = text.iter().fold(0_u32, |hash, &b| (hash ^ u32::from(b)).wrapping_mul(0x0100_0193));
        let slot = &mut self.recent[(hash ^ (hash >> 15)) as usize % RECENT];
        let lately = std::mem::replace(slot, u32::try_from(here).unwrap_or(u32::MAX)) as usize;
        if self.stands(text, from) { self.again(text, from) } else { self.repeat(text, lately) }
    }

    fn end_literals(&mut self) {
        if self.literals > 0 {
            self.tokens.push(u32::try_from(self.literals).unwrap_or_default());
            self.literals = 0;
        }
    }

    fn end_match(&mut self) {
        while self.length > 0 {
            let length = self.length.min(LONGEST);
            self.length -= length;
            if length < SHORTEST {
                self.literals += length;
                continue;
            }
            self.end_literals();
            let length = u32::try_from(length - 3).unwrap_or_default();
            self.tokens.push(MATCH | length << 15 | u32::try_from(self.distance - 1).unwrap_or_default());
        }
    }

    /// The text alone.
    pub(super) fn into_text(self) -> Vec<u8> {
        self.text
    }

    /// Deflates the text as one block with codes of its own, ending at a byte's border.
    pub(super) fn finish(mut self) -> Deflated {
        self.end_match();
        self.end_literals();
        let (mut symbols, mut distances) = ([0_u32; 286], [0_u32; 30]);
        symbols[END_OF_BLOCK] = 1;
        let mut at = 0;
        for &token in &self.tokens {
            if token & MATCH == 0 {
                for &byte in &self.text[at..at + token as usize] {
                    symbols[usize::from(byte)] += 1;
                }
                at += token as usize;
            } else {
                let (length, distance) = parts(token);
                symbols[257 + usize::from(LENGTHS[length].0)] += 1;
                distances[distance_code(distance)] += 1;
                at += length + 3;
            }
        }
        let (symbols, distances) = (Code::<286>::new(&symbols, 15), Code::<30>::new(&distances, 15));
        let mut bits = Bits { bytes: Vec::with_capacity(self.text.len() / 5 + 512), waiting: 0, count: 0 };
        header(&mut bits, &symbols, &distances);
        let lengths = length_codes(&symbols);
        let mut at = 0;
        for &token in &self.tokens {
            if token & MATCH == 0 {
                for &byte in &self.text[at..at + token as usize] {
                    bits.put_symbol(&symbols, usize::from(byte));
                }
                at += token as usize;
            } else {
                let (length, distance) = parts(token);
                let (code, count) = lengths[length];
                bits.put(code, count);
                let symbol = distance_code(distance);
                bits.put_symbol(&distances, symbol);
                let extra = distance_extra(symbol);
                bits.put(u64::try_from(distance).unwrap_or_default() & ((1 << extra) - 1), extra);
                at += length + 3;
            }
        }
        bits.put_symbol(&symbols, END_OF_BLOCK);
        Deflated::new(bits.flush(), &self.text)
    }
}

/// A match's length less 3 and its distance less 1.
fn parts(token: u32) -> (usize, usize) {
    ((token >> 15 & 0xff) as usize, (token & 0x7fff) as usize)
}

/// For each length less 3: its symbol less 257, the number of extra bits, and their value.
static LENGTHS: [(u8, u8, u8); 256] = {
    let mut table = [(0, 0, 0); 256];
    let mut length = 0;
    while length < 256 {
        table[length] = match length {
            0..=7 => (length as u8, 0, 0),
            255 => (28, 0, 0),
            _ => {
                let extra = length.ilog2() as u8 - 2;
                let within = length & ((1 << extra) - 1);
                (extra * 4 + (length >> extra) as u8, extra, within as u8)
            }
        };
        length += 1;
    }
    table
};

/// The symbol of a distance less 1.
fn distance_code(distance: usize) -> usize {
    if distance < 4 {
        return distance;
    }
    let extra = distance.ilog2() as usize - 1;
    extra * 2 + (distance >> extra)
}

/// The number of extra bits of a distance's symbol. Their value is the lowest bits of the distance less 1.
fn distance_extra(symbol: usize) -> u32 {
    u32::try_from((symbol / 2).saturating_sub(1)).unwrap_or_default()
}

/// For each length less 3: its symbol's code with the extra bits above, and how many bits that makes.
fn length_codes(symbols: &Code<286>) -> [(u64, u32); 256] {
    LENGTHS.map(|(symbol, extra, value)| {
        let (code, count) = symbols.code(257 + usize::from(symbol));
        (code | u64::from(value) << count, count + u32::from(extra))
    })
}

/// The order in which deflate gives the lengths of the codes for lengths of codes.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The head of a block with codes of its own. Lengths are given one by one: runs of them would save a thousandth.
fn header(bits: &mut Bits, symbols: &Code<286>, distances: &Code<30>) {
    let lengths = || symbols.lengths().iter().chain(distances.lengths());
    let mut counts = [0_u32; 19];
    for &length in lengths() {
        counts[usize::from(length)] += 1;
    }
    let code = Code::<19>::new(&counts, 7);
    bits.put(0, 1);
    bits.put(2, 2);
    bits.put(286 - 257, 5);
    bits.put(30 - 1, 5);
    bits.put(19 - 4, 4);
    for symbol in ORDER {
        bits.put(u64::from(code.lengths()[symbol]), 3);
    }
    for &length in lengths() {
        bits.put_symbol(&code, usize::from(length));
    }
}

/// Bits, the first in the lowest place of each byte.
struct Bits {
    bytes: Vec<u8>,
    waiting: u64,
    count: u32,
}

impl Bits {
    /// Appends up to 32 bits.
    fn put(&mut self, value: u64, count: u32) {
        self.waiting |= value << self.count;
        self.count += count;
        if self.count >= 32 {
            self.bytes.extend_from_slice(&(self.waiting as u32).to_le_bytes());
            self.waiting >>= 32;
            self.count -= 32;
        }
    }

    fn put_symbol<const N: usize>(&mut self, code: &Code<N>, symbol: usize) {
        let (code, count) = code.code(symbol);
        self.put(code, count);
    }

    /// Ends at a byte's border with an empty stored block, so that another stream's blocks can follow.
    fn flush(mut self) -> Vec<u8> {
        self.put(0, 3);
        self.put(0, (8 - self.count % 8) % 8);
        let left = self.count.div_ceil(8) as usize;
        self.bytes.extend_from_slice(&self.waiting.to_le_bytes()[..left]);
        self.bytes.extend_from_slice(&[0, 0, 0xff, 0xff]);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;
    use crate::workbook::deflate::Joined;

    fn inflated(tapes: Vec<Tape>) -> (Vec<u8>, u32, u64) {
        let (mut stream, mut joined) = (Vec::new(), Joined::default());
        for tape in tapes {
            joined.write(&mut stream, &tape.finish()).unwrap();
        }
        let (crc, size) = joined.finish(&mut stream).unwrap();
        let mut text = Vec::new();
        flate2::read::DeflateDecoder::new(&stream[..]).read_to_end(&mut text).unwrap();
        (text, crc, size)
    }

    #[test]
    fn every_length_and_distance_inflates() {
        let mut tape = Tape::new(0);
        let noise: Vec<u8> = (0..40_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        tape.literal(&noise);
        for length in (1..1000).chain([32_768, 40_000]) {
            let text = noise[40_000 - length..].to_vec();
            tape.repeat(&text, 40_000 - length);
        }
        for distance in (1..300).chain((300..32_769).step_by(97)).chain([32_767, 32_768, 32_769]) {
            let from = tape.position() - distance;
            let text = tape.text[from..from + distance.min(9)].to_vec();
            tape.repeat(&text, from);
            tape.literal(b"|");
        }
        let expected = tape.text.clone();
        let (text, crc, size) = inflated(vec![tape]);
        assert!(text == expected);
        assert_eq!((crc, size), (crc32fast::hash(&expected), expected.len() as u64));
    }

    #[test]
    fn an_empty_tape_and_one_of_a_single_letter_inflate() {
        let mut single = Tape::new(0);
        single.literal(b"a");
        assert_eq!(inflated(vec![Tape::new(0), single, Tape::new(0)]).0, b"a");
    }

    proptest! {
        #[test]
        fn whatever_the_hints_are_the_text_comes_back(
            tapes in prop::collection::vec(
                prop::collection::vec((0_u8..4, prop::collection::vec(97_u8..101, 0..40), any::<u16>()), 0..200),
                1..4,
            )
        ) {
            let mut expected = Vec::new();
            let made = tapes.iter().map(|pieces| {
                let mut tape = Tape::new(0);
                for (kind, text, hint) in pieces {
                    let from = usize::from(*hint) % (tape.position() + 10);
                    match kind {
                        0 => tape.literal(text),
                        1 => tape.repeat(text, from),
                        2 => tape.value(text, from),
                        _ => {
                            let known = tape.text.iter().copied().skip(from).take(text.len()).collect::<Vec<_>>();
                            tape.again(&known, from);
                            expected.extend_from_slice(&known);
                            continue;
                        }
                    }
                    expected.extend_from_slice(text);
                }
                tape
            }).collect();
            prop_assert_eq!(inflated(made).0, expected);
        }
    }
}
