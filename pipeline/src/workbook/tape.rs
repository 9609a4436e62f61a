//! A deflate encoder for text whose writer knows what repeats.
//!
//! A general encoder finds repetitions by hashing every position. The row writer knows them: what stands between two
//! values stood there in the row before, and most values have been written lately. So it appends text, and then tells
//! of each piece of it where that piece stood before. A hint that may be wrong is looked at, and then taken as none.
//!
//! The first pieces are kept until there are enough of them to tell how often each symbol comes. From then on every
//! piece is coded at once, with the codes learnt from them.

use super::{
    deflate::{Deflated, by_zlib},
    huffman::Code,
};
use crate::manifest::Compression;

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

/// Matches from which the codes are learnt: some fifty rows.
const LEARNT_FROM: usize = 3072;

/// What a symbol that has come once counts beside one that hasn't come yet.
const ONCE: u32 = 16;

/// Bytes of a [`Tape::block`], of which the last may be no text.
pub(super) const BLOCK: usize = 64;

/// No place: nothing can stand there.
pub(super) const NOWHERE: usize = usize::MAX;

/// Literals, and the match that follows them; the last literals have none, which is a match of length 0.
#[derive(Clone, Copy)]
struct Token {
    literals: u32,
    length: u16,
    /// Less 1.
    distance: u16,
}

enum Coder {
    /// None: zlib shall find the repetitions by itself.
    Zlib,
    Learning(Vec<Token>),
    Coding(Box<Coding>),
}

impl Coder {
    fn new(compression: Compression) -> Self {
        match compression {
            Compression::Fast => Self::Learning(Vec::with_capacity(LEARNT_FROM)),
            Compression::Small => Self::Zlib,
        }
    }
}

/// Text, and how it is made of literals and matches.
pub(super) struct Tape {
    /// The text up to `end`, and room behind it.
    text: Vec<u8>,
    end: usize,
    /// Up to where it has been told what stood before.
    told: usize,
    /// From where on it isn't coded yet: literals, and then the match that may still grow.
    uncoded: usize,
    distance: usize,
    length: usize,
    recent: Box<[u32; RECENT]>,
    coder: Coder,
}

impl Tape {
    /// An empty tape with room for so many bytes of text.
    pub(super) fn new(room: usize, compression: Compression) -> Self {
        Self {
            text: vec![0; room + BLOCK],
            end: 0,
            told: 0,
            uncoded: 0,
            distance: 0,
            length: 0,
            recent: Box::new([u32::MAX; RECENT]),
            coder: Coder::new(compression),
        }
    }

    /// Makes it empty again.
    pub(super) fn clear(&mut self, compression: Compression) {
        (self.end, self.told, self.uncoded, self.distance, self.length) = (0, 0, 0, 0, 0);
        self.recent.fill(u32::MAX);
        self.coder = Coder::new(compression);
    }

    /// How many bytes of text it has room for.
    pub(super) fn room(&self) -> usize {
        self.text.len() - BLOCK
    }

    /// Where the next text will stand.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// The text from a place on.
    pub(super) fn text_at(&self, from: usize, length: usize) -> &[u8] {
        self.text.get(from..from.saturating_add(length)).unwrap_or_default()
    }

    /// Makes room for so many bytes and a block.
    fn make_room(&mut self, bytes: usize) {
        let needed = self.end + bytes + BLOCK;
        if needed > self.text.len() {
            self.text.resize(needed.max(self.text.len() * 2), 0);
        }
    }

    /// Appends the first `length` bytes of a block.
    #[inline]
    pub(super) fn block(&mut self, block: &[u8; BLOCK], length: usize) {
        self.make_room(BLOCK);
        *place(&mut self.text, self.end) = *block;
        self.end += length;
    }

    /// Appends text.
    #[inline]
    pub(super) fn append(&mut self, text: &[u8]) {
        self.make_room(text.len());
        self.text[self.end..self.end + text.len()].copy_from_slice(text);
        self.end += text.len();
    }

    /// Appends text that stands at `from`.
    #[inline]
    pub(super) fn append_from(&mut self, from: usize, length: usize) {
        self.make_room(length);
        self.text.copy_within(from..from + length, self.end);
        self.end += length;
    }

    /// Tells of the next piece of so many bytes that nothing is known of it.
    #[inline]
    pub(super) fn literal(&mut self, length: usize) {
        self.end_match();
        self.told += length;
    }

    /// Tells that the next piece stands at `from` as well. It isn't looked at: if the caller were wrong, readers would
    /// find that the checksum, which is of the text, doesn't fit.
    #[inline]
    pub(super) fn again(&mut self, length: usize, from: usize) {
        let distance = self.told.wrapping_sub(from);
        if from >= self.told || distance > WINDOW {
            return self.literal(length);
        }
        if self.length == 0 || self.distance != distance {
            self.end_match();
            self.distance = distance;
        }
        self.length += length;
        self.told += length;
    }

    /// Tells that the next piece may stand at `from`, or have been written lately anywhere.
    pub(super) fn value(&mut self, length: usize, from: usize) {
        let start = self.told;
        if length < SHORTEST {
            return if self.stands(start, length, from) { self.again(length, from) } else { self.literal(length) };
        }
        let slot = hash(&self.text[start..start + length]) & (RECENT - 1);
        let lately = std::mem::replace(&mut self.recent[slot], u32::try_from(start).unwrap_or(u32::MAX)) as usize;
        if self.stands(start, length, from) {
            self.again(length, from);
        } else if self.stands(start, length, lately) {
            self.again(length, lately);
        } else {
            self.literal(length);
        }
    }

    /// Whether a piece stands at an earlier place as well.
    fn stands(&self, start: usize, length: usize, from: usize) -> bool {
        from < start && self.text[start..start + length] == self.text[from..from + length]
    }

    fn end_match(&mut self) {
        while self.length >= SHORTEST {
            // What is left over of a longer one must be long enough, too.
            let length = match self.length {
                ..=LONGEST => self.length,
                rest if rest - LONGEST < SHORTEST => LONGEST - SHORTEST,
                _ => LONGEST,
            };
            let literals = self.told - self.length - self.uncoded;
            self.length -= length;
            self.code(literals, length);
        }
        self.length = 0;
    }

    /// Codes the next literals and a match of the current distance after them.
    #[inline]
    fn code(&mut self, literals: usize, length: usize) {
        // A chunk's text ends long before 32 bits do, matches are split, and no distance is longer than the window.
        let token =
            Token { literals: literals as u32, length: length as u16, distance: self.distance.wrapping_sub(1) as u16 };
        match &mut self.coder {
            Coder::Zlib => {}
            Coder::Coding(coding) => coding.code(token, &self.text[self.uncoded..]),
            Coder::Learning(tokens) => {
                tokens.push(token);
                if tokens.len() == LEARNT_FROM {
                    self.coder = Coder::Coding(Coding::learnt(tokens, &self.text, true));
                }
            }
        }
        self.uncoded += literals + length;
    }

    /// The text deflated, ending at a byte's border.
    pub(super) fn finish(&mut self) -> Deflated {
        self.end_match();
        self.code(self.told - self.uncoded, 0);
        let text = &self.text[..self.end];
        let coding = match std::mem::replace(&mut self.coder, Coder::Zlib) {
            Coder::Zlib => return by_zlib(text),
            Coder::Learning(tokens) => Coding::learnt(&tokens, text, false),
            Coder::Coding(coding) => coding,
        };
        Deflated::new(coding.finish(), text)
    }
}

/// Where so many bytes go, for which there must be room.
#[inline(always)]
fn place<const N: usize>(bytes: &mut [u8], at: usize) -> &mut [u8; N] {
    bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut).expect("room is made before anything is written")
}

/// Some bits of a text of four bytes or more, well mixed.
fn hash(text: &[u8]) -> usize {
    let (first, last) = match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => {
            let four = |bytes: Option<&[u8; 4]>| u64::from(bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes)));
            (four(text.first_chunk()), four(text.last_chunk()))
        }
    };
    let mixed = (first ^ last.rotate_left(23) ^ text.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 40) as usize
}

/// The codes of a block, and the bits written with them.
struct Coding {
    /// Each symbol's codeword, and above it in the highest byte its length.
    symbols: [u32; 286],
    /// The same for each length less 3, with its extra bits.
    lengths: [u32; 256],
    distances: [u32; 30],
    bits: Bits,
}

impl Coding {
    /// The codes for such tokens, which are coded; and if more follow, for whatever may come.
    fn learnt(tokens: &[Token], text: &[u8], more: bool) -> Box<Self> {
        let (mut symbols, mut distances) = ([u32::from(more); 286], [u32::from(more); 30]);
        symbols[END_OF_BLOCK] = 1;
        let mut at = 0;
        for token in tokens {
            for &byte in &text[at..at + token.literals as usize] {
                symbols[usize::from(byte)] += ONCE;
            }
            if token.length > 0 {
                symbols[257 + usize::from(LENGTHS[usize::from(token.length) - 3].0)] += ONCE;
                distances[distance_code(token.distance)] += ONCE;
            }
            at += token.literals as usize + usize::from(token.length);
        }
        let (symbols, distances) = (Code::<286>::new(&symbols, 15), Code::<30>::new(&distances, 15));
        let mut bits = Bits { bytes: Vec::with_capacity(text.len() / 5), ..Bits::default() };
        header(&mut bits, &symbols, &distances);
        let packed = |(code, count): (u64, u32)| u32::try_from(code).unwrap_or_default() | count << 24;
        let mut coding = Box::new(Self {
            symbols: std::array::from_fn(|symbol| packed(symbols.code(symbol))),
            lengths: LENGTHS.map(|(symbol, extra, value)| {
                let (code, count) = symbols.code(257 + usize::from(symbol));
                packed((code | u64::from(value) << count, count + u32::from(extra)))
            }),
            distances: std::array::from_fn(|symbol| packed(distances.code(symbol))),
            bits,
        });
        let mut at = 0;
        for token in tokens {
            coding.code(*token, &text[at..]);
            at += token.literals as usize + usize::from(token.length);
        }
        coding
    }

    /// Codes a token whose literals `text` begins with.
    #[inline]
    fn code(&mut self, token: Token, text: &[u8]) {
        let literals = &text[..token.literals as usize];
        // Taken out, so that what counts the bits stays in registers.
        let mut bits = std::mem::take(&mut self.bits);
        bits.make_room(literals.len() * 2 + 16);
        let (threes, rest) = literals.as_chunks::<3>();
        for three in threes {
            let [a, b, c] = three.map(|byte| self.symbols[usize::from(byte)]);
            bits.put(Packed::bits(a).then(b).then(c));
        }
        for &byte in rest {
            bits.put(Packed::bits(self.symbols[usize::from(byte)]));
        }
        if token.length > 0 {
            let symbol = distance_code(token.distance);
            let extra = distance_extra(symbol);
            let within = u64::from(token.distance) & ((1 << extra) - 1);
            let length = Packed::bits(self.lengths[usize::from(token.length) - 3]);
            bits.put(length.then(self.distances[symbol]).and(within, extra));
        }
        self.bits = bits;
    }

    fn finish(mut self) -> Vec<u8> {
        self.bits.make_room(16);
        self.bits.put(Packed::bits(self.symbols[END_OF_BLOCK]));
        self.bits.flush()
    }
}

/// Some bits, the first in the lowest place, and how many.
#[derive(Clone, Copy)]
struct Packed {
    value: u64,
    count: u32,
}

impl Packed {
    /// An entry of the tables of [`Coding`].
    #[inline(always)]
    fn bits(entry: u32) -> Self {
        Self { value: u64::from(entry & 0x00ff_ffff), count: entry >> 24 }
    }

    #[inline(always)]
    fn then(self, entry: u32) -> Self {
        let Self { value, count } = Self::bits(entry);
        self.and(value, count)
    }

    /// These and so many more; there are never as many as 64.
    #[inline(always)]
    fn and(self, value: u64, count: u32) -> Self {
        Self { value: self.value | value.wrapping_shl(self.count), count: self.count.wrapping_add(count) }
    }
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
fn distance_code(distance: u16) -> usize {
    if distance < 4 {
        return usize::from(distance);
    }
    let extra = distance.ilog2() as usize - 1;
    extra * 2 + usize::from(distance >> extra)
}

/// The number of extra bits of a distance's symbol. Their value is the lowest bits of the distance less 1.
fn distance_extra(symbol: usize) -> u32 {
    (symbol as u32 / 2).saturating_sub(1)
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
    bits.make_room(1024);
    for (value, count) in [(0, 1), (2, 2), (286 - 257, 5), (30 - 1, 5), (19 - 4, 4)] {
        bits.put(Packed { value, count });
    }
    for symbol in ORDER {
        bits.put(Packed { value: code.lengths()[symbol].into(), count: 3 });
    }
    for &length in lengths() {
        let (value, count) = code.code(usize::from(length));
        bits.put(Packed { value, count });
    }
}

/// Bits, the first in the lowest place of each byte.
#[derive(Default)]
struct Bits {
    /// The bytes up to `end`, and room behind them.
    bytes: Vec<u8>,
    end: usize,
    /// Fewer than eight bits, which aren't a byte yet.
    waiting: u64,
    count: u32,
}

impl Bits {
    /// Makes room for so many bytes, and the eight that are always written.
    #[inline]
    fn make_room(&mut self, bytes: usize) {
        let needed = self.end + bytes + 8;
        if needed > self.bytes.len() {
            self.bytes.resize(needed.max(self.bytes.capacity()).max(self.bytes.len() * 2), 0);
        }
    }

    /// Appends up to 56 bits, for which there must be room.
    #[inline(always)]
    fn put(&mut self, bits: Packed) {
        let waiting = Packed { value: self.waiting, count: self.count }.and(bits.value, bits.count);
        *place(&mut self.bytes, self.end) = waiting.value.to_le_bytes();
        self.end += waiting.count as usize / 8;
        self.waiting = waiting.value.wrapping_shr(waiting.count & !7);
        self.count = waiting.count & 7;
    }

    /// Ends at a byte's border with an empty stored block, so that another stream's blocks can follow.
    fn flush(mut self) -> Vec<u8> {
        self.put(Packed { value: 0, count: 3 });
        self.put(Packed { value: 0, count: (8 - self.count) % 8 });
        self.bytes.truncate(self.end);
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
        for mut tape in tapes {
            joined.write(&mut stream, &tape.finish()).unwrap();
        }
        let (crc, size) = joined.finish(&mut stream).unwrap();
        let mut text = Vec::new();
        flate2::read::DeflateDecoder::new(&stream[..]).read_to_end(&mut text).unwrap();
        (text, crc, size)
    }

    fn tape() -> Tape {
        Tape::new(0, Compression::Fast)
    }

    fn literal(tape: &mut Tape, text: &[u8]) {
        tape.append(text);
        tape.literal(text.len());
    }

    fn value(tape: &mut Tape, text: &[u8], from: usize) {
        tape.append(text);
        tape.value(text.len(), from);
    }

    #[test]
    fn every_length_and_distance_inflates() {
        let mut tape = tape();
        let noise: Vec<u8> = (0..40_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        literal(&mut tape, &noise);
        for length in (1..1000).chain([32_768, 40_000]) {
            value(&mut tape, &noise[40_000 - length..], 40_000 - length);
        }
        for distance in (1..300).chain((300..32_769).step_by(97)).chain([32_767, 32_768, 32_769]) {
            let from = tape.end() - distance;
            let length = distance.min(9);
            tape.append_from(from, length);
            tape.again(length, from);
            literal(&mut tape, b"|");
        }
        let expected = tape.text_at(0, tape.end()).to_vec();
        let (text, crc, size) = inflated(vec![tape]);
        assert!(text == expected);
        assert_eq!((crc, size), (crc32fast::hash(&expected), expected.len() as u64));
    }

    #[test]
    fn an_empty_tape_and_one_of_a_single_letter_inflate() {
        let mut single = tape();
        literal(&mut single, b"a");
        assert_eq!(inflated(vec![tape(), single, tape()]).0, b"a");
    }

    #[test]
    fn what_comes_after_the_codes_are_learnt_may_be_all_different() {
        let mut tape = tape();
        literal(&mut tape, b"learnt|");
        for _ in 0..LEARNT_FROM {
            tape.append_from(0, 6);
            tape.again(6, 0);
            literal(&mut tape, b"|");
        }
        let bytes: Vec<u8> = (0..=255).rev().cycle().take(70_000).collect();
        literal(&mut tape, &bytes);
        for (length, distance) in [(3, 1), (4, 2), (258, 256), (259, 300), (600, 32_768), (5, 32_769)] {
            let from = tape.end() - distance;
            let text = tape.text_at(from, length.min(distance)).to_vec();
            value(&mut tape, &text, from);
        }
        let expected = tape.text_at(0, tape.end()).to_vec();
        assert!(inflated(vec![tape]).0 == expected);
    }

    proptest! {
        #[test]
        fn whatever_the_hints_are_the_text_comes_back(
            tapes in prop::collection::vec(
                prop::collection::vec((0_u8..4, prop::collection::vec(97_u8..101, 0..40), prop_oneof![Just(0_u16), any::<u16>()]), 0..200),
                1..4,
            ),
            times in prop_oneof![Just(1_usize), Just(30)],
        ) {
            let mut expected = Vec::new();
            let made = tapes.iter().map(|pieces| {
                let mut tape = tape();
                for (kind, text, hint) in std::iter::repeat_n(pieces, times).flatten() {
                    let from = if *hint == 0 { NOWHERE } else { usize::from(*hint) % (tape.end() + 10) };
                    match kind {
                        0 => literal(&mut tape, text),
                        1 => {
                            let mut block = [b'#'; BLOCK];
                            block[..text.len()].copy_from_slice(text);
                            tape.block(&block, text.len());
                            tape.literal(text.len());
                        }
                        2 => value(&mut tape, text, from),
                        _ => {
                            let length = text.len().min(tape.end().saturating_sub(from));
                            tape.append_from(from.min(tape.end()), length);
                            tape.again(length, from);
                        }
                    }
                }
                expected.extend_from_slice(tape.text_at(0, tape.end()));
                tape
            }).collect();
            prop_assert_eq!(inflated(made).0, expected);
        }
    }
}
