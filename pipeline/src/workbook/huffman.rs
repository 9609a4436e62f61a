//! Huffman codes of limited length, as deflate wants them: canonical, and sent with the lowest bit first.

/// A code for the symbols 0 to `N` - 1.
pub(super) struct Code<const N: usize> {
    lengths: [u8; N],
    codes: [u16; N],
}

impl<const N: usize> Code<N> {
    /// The code for symbols that come so often, no codeword longer than `longest` bits. A symbol that never comes gets
    /// none; at least two symbols get one, since not every decoder takes fewer.
    pub(super) fn new(counts: &[u32; N], longest: usize) -> Self {
        let mut used: Vec<(u32, usize)> = counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(|(symbol, &count)| (count, symbol))
            .collect();
        for (symbol, &count) in counts.iter().enumerate().take(2) {
            if used.len() < 2 && count == 0 {
                used.push((1, symbol));
            }
        }
        used.sort_unstable();
        let mut lengths = [0; N];
        // The rarest symbols get the longest codewords.
        let mut symbols = used.iter();
        for (length, &count) in lengths_of(&used, longest).iter().enumerate().rev() {
            for (_, symbol) in symbols.by_ref().take(count) {
                lengths[*symbol] = u8::try_from(length).unwrap_or_default();
            }
        }
        Self { lengths, codes: canonical(&lengths) }
    }

    /// Each symbol's length in bits; 0 for those without a codeword.
    pub(super) fn lengths(&self) -> &[u8; N] {
        &self.lengths
    }

    /// A symbol's codeword, its first bit lowest, and its length.
    pub(super) fn code(&self, symbol: usize) -> (u64, u32) {
        (u64::from(self.codes[symbol]), u32::from(self.lengths[symbol]))
    }
}

/// How many codewords there are of each length, for symbols sorted by ascending count.
fn lengths_of(sorted: &[(u32, usize)], longest: usize) -> Vec<usize> {
    // Huffman's algorithm with two queues: the leaves, sorted, and the inner nodes, which come out sorted.
    let leaves = sorted.len();
    let mut weights: Vec<u64> = sorted.iter().map(|(count, _)| u64::from(*count)).collect();
    let mut parents = vec![0; leaves];
    let (mut leaf, mut inner) = (0, leaves);
    while weights.len() < 2 * leaves - 1 {
        let parent = weights.len();
        let mut weight = 0;
        for _ in 0..2 {
            let take_leaf = leaf < leaves && (inner == parent || weights[leaf] <= weights[inner]);
            let child = if take_leaf { &mut leaf } else { &mut inner };
            weight += weights[*child];
            parents[*child] = parent;
            *child += 1;
        }
        weights.push(weight);
        parents.push(0);
    }
    let mut depths = vec![0_usize; parents.len()];
    let mut counts = vec![0; longest + 1];
    for node in (0..parents.len() - 1).rev() {
        depths[node] = depths[parents[node]] + 1;
        if node < leaves {
            counts[depths[node].min(longest)] += 1;
        }
    }
    // Codewords that were cut to the longest length take more room than there is: lengthen others, one step each.
    let room = 1_usize << longest;
    let mut taken: usize = counts.iter().enumerate().map(|(length, count)| count << (longest - length)).sum();
    while taken > room {
        counts[longest] -= 1;
        if let Some(length) = (1..longest).rev().find(|&length| counts[length] > 0) {
            counts[length] -= 1;
            counts[length + 1] += 2;
        }
        taken -= 1;
    }
    counts
}

/// The canonical codewords of these lengths, reversed to be sent lowest bit first.
fn canonical<const N: usize>(lengths: &[u8; N]) -> [u16; N] {
    let mut codes = [0; N];
    let mut next = 0_u32;
    for length in 1..=15 {
        next <<= 1;
        for symbol in (0..N).filter(|&symbol| lengths[symbol] == length) {
            codes[symbol] = u16::try_from(next.reverse_bits() >> (32 - u32::from(length))).unwrap_or_default();
            next += 1;
        }
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kraft's sum in units of the longest codeword: a full code fills it exactly.
    fn fills<const N: usize>(code: &Code<N>) -> usize {
        code.lengths().iter().filter(|&&length| length > 0).map(|&length| 1 << (15 - usize::from(length))).sum()
    }

    #[test]
    fn codes_are_full_and_never_longer_than_allowed() {
        let mut fibonacci = [0; 30];
        let (mut a, mut b) = (1, 1);
        for count in &mut fibonacci {
            *count = a;
            (a, b) = (b, a + b);
        }
        for (counts, longest) in [(fibonacci, 15), (fibonacci, 7), ([1; 30], 5), ([7; 30], 15)] {
            let code = Code::new(&counts, longest);
            assert!(code.lengths().iter().all(|&length| (1..=longest).contains(&usize::from(length))));
            assert_eq!(fills(&code), 1 << 15);
        }
    }

    #[test]
    fn a_symbol_that_comes_more_often_never_has_a_longer_codeword() {
        let mut counts = [0; 19];
        for (symbol, count) in counts.iter_mut().enumerate() {
            *count = u32::try_from(symbol * symbol * symbol).unwrap();
        }
        let code = Code::new(&counts, 7);
        assert_eq!(code.lengths()[0], 0);
        assert!(code.lengths()[1..].is_sorted_by(|rarer, commoner| rarer >= commoner));
    }

    #[test]
    fn at_least_two_symbols_have_a_codeword() {
        let mut one = [0; 30];
        one[17] = 5;
        for counts in [[0; 30], one] {
            assert_eq!(fills(&Code::new(&counts, 15)), 1 << 15);
        }
    }
}
