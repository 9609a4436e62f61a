//! Parquet's [hybrid of run lengths and packed bits][1], in which a page holds its definition levels and the numbers of
//! its dictionary's values.
//!
//! [1]: https://parquet.apache.org/docs/file-format/data-pages/encodings/#run-length-encoding--bit-packing-hybrid-rle--3

/// Numbers that are packed together. A run stands as its length when as many are left after it has filled up the group
/// before it.
const GROUP: usize = 8;

/// Appends numbers of at most `width` bits, which are 1 to 16.
pub(super) fn write<N: Copy + Eq + Into<u128>>(numbers: &[N], width: usize, to: &mut Vec<u8>) {
    let (mut done, mut at) = (0, 0);
    while let Some(&number) = numbers.get(at) {
        let run = numbers[at..].iter().take_while(|&&other| other == number).count();
        // The numbers before it are packed in whole groups: the run fills up the last one.
        let fills = (at - done).next_multiple_of(GROUP) - (at - done);
        if run >= GROUP + fills {
            pack(&numbers[done..at + fills], width, to);
            varint((run - fills) << 1, to);
            to.extend(&number.into().to_le_bytes()[..width.div_ceil(8)]);
            done = at + run;
        }
        at += run;
    }
    pack(&numbers[done..], width, to);
}

/// The last group may have fewer numbers than eight: zeros stand for the others, and nobody reads them.
fn pack<N: Copy + Into<u128>>(numbers: &[N], width: usize, to: &mut Vec<u8>) {
    if numbers.is_empty() {
        return;
    }
    varint(numbers.len().div_ceil(GROUP) << 1 | 1, to);
    for group in numbers.chunks(GROUP) {
        let bits = group.iter().rev().fold(0, |bits: u128, &number| bits << width | number.into());
        to.extend(&bits.to_le_bytes()[..width]);
    }
}

/// Seven bits in a byte, the lowest first; the eighth says that more follow.
fn varint(mut number: usize, to: &mut Vec<u8>) {
    while number >= 0x80 {
        to.push(0x80 | (number & 0x7f) as u8);
        number >>= 7;
    }
    to.push(number as u8);
}
