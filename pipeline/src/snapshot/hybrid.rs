//! Parquet's [hybrid of run lengths and packed bits][1], in which a page holds its definition levels and the numbers of
//! its dictionary's values.
//!
//! [1]: https://parquet.apache.org/docs/file-format/data-pages/encodings/#run-length-encoding--bit-packing-hybrid-rle--3

/// Numbers that are packed together.
const GROUP: usize = 8;

/// Bits from which on a run, what has filled up the group before it aside, stands as its length: packed, shorter ones
/// take hardly more room, and readers stay with one form.
const RUN_BITS: usize = 64;

/// Most numbers that are packed under one length. DuckDB reads as many as some rows have values, and once that doesn't
/// end with a byte it takes twice as long for each number, up to the next length.
const PACKED: usize = 1024;

/// Appends numbers of at most `width` bits, which are 1 to 16.
pub(super) fn write<N: Copy + Eq + Into<u128>>(numbers: &[N], width: usize, to: &mut Vec<u8>) {
    let least = GROUP.max(RUN_BITS.div_ceil(width));
    let (mut done, mut at) = (0, 0);
    while let Some(&number) = numbers.get(at) {
        let run = numbers[at..].iter().take_while(|&&other| other == number).count();
        // The numbers before it are packed in whole groups: the run fills up the last one.
        let fills = (at - done).next_multiple_of(GROUP) - (at - done);
        if run >= least + fills {
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
    for part in numbers.chunks(PACKED) {
        varint(part.len().div_ceil(GROUP) << 1 | 1, to);
        for group in part.chunks(GROUP) {
            let bits = group.iter().rev().fold(0, |bits: u128, &number| bits << width | number.into());
            to.extend(&bits.to_le_bytes()[..width]);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn written(numbers: &[u8], width: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(numbers, width, &mut bytes);
        bytes
    }

    #[test]
    fn a_run_stands_as_its_length_once_it_would_take_eight_bytes() {
        assert_eq!(written(&[1; 63], 1), [&[8 << 1 | 1][..], &[0xff; 7], &[0x7f]].concat());
        assert_eq!(written(&[1; 64], 1), [0x80, 0x01, 1]);
        assert_eq!(written(&[5; 8], 8), [8 << 1, 5]);
        // Six fives fill up the group of the number before them, and eight are left.
        let after_another = [&[7, 7][..], &[5; 14]].concat();
        assert_eq!(written(&after_another, 8), [1 << 1 | 1, 7, 7, 5, 5, 5, 5, 5, 5, 8 << 1, 5]);
    }

    #[test]
    fn no_more_than_a_thousand_numbers_are_packed_under_one_length() {
        let in_turn: Vec<u8> = (0..2_100).map(|number| (number % 3) as u8).collect();
        let bytes = written(&in_turn, 2);
        // 1,024 numbers are 128 groups of two bytes, after two bytes for their length.
        for part in [0, 258] {
            assert_eq!(bytes[part..part + 2], [0x81, 0x02]);
        }
        assert_eq!(bytes[516], 7 << 1 | 1);
        assert_eq!(bytes.len(), 517 + 14);
    }
}
