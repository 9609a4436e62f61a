//! Passengers whose names break careless software: quotes and markup, formulas, escapes of spreadsheets and of bulk
//! loads, control characters, scripts from right to left, a name of forty thousand letters.

use std::borrow::Cow;

/// Letters of the longest first name: more than a spreadsheet's cell can hold.
pub(crate) const LONGEST_NAME: usize = 40_000;

/// The place of the passenger with that name.
pub(crate) const LONG_NAMED: usize = 14;

/// First and last names. The long name is not written out.
pub(crate) const NAMES: [[&str; 2]; 20] = [
    ["Kit \"Ace\"", "O'Brien-d'Angelo"],
    ["<b>Ann & Bob</b>", "</script><script>alert('&amp;')</script>"],
    ["_x0041_", "_x000D__x005F_"],
    ["🚄", "👨‍👩‍👧‍👦 Family"],
    ["Zoe\u{308}", "Nguye\u{302}\u{303}n A\u{30a}"],
    ["=HYPERLINK(\"http://example.com\",\"x\")", "=1+1"],
    ["+1+1", "-2"],
    ["@SUM(A1)", "|calc"],
    ["\u{1}\u{8}", "a\u{b}b\u{1f}c\u{7f}"],
    ["first\r\nsecond", "a\nb\rc\td"],
    ["\u{fffe}", "\u{ffff}x\u{feff}"],
    ["  leading", "trailing  "],
    ["محمد عبد الله", "القاهرة"],
    ["שלום", "כהן Cohen (כהן)"],
    ["", "Hubert"],
    ["", ""],
    ["NULL", "null"],
    ["0123", "1e5"],
    ["C:\\new\\table", "\\N\\.100%_"],
    ["abc\u{202e}fed", "2025-01-31"],
];

/// The names of a hostile passenger, by its place in [`NAMES`].
pub(crate) fn names(place: usize) -> [Cow<'static, str>; 2] {
    let [first, last] = NAMES[place];
    if place == LONG_NAMED {
        let letters = ('a'..='z').cycle().take(LONGEST_NAME);
        return [letters.collect(), last.into()];
    }
    [first.into(), last.into()]
}
