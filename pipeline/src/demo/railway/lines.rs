//! The lines and their timetable. Every line is two routes, out and back, each with one trip a day.

use super::fleet::Formation::{self, Express, InterCity, Night};

/// A line between two stations. Departures are minutes after midnight, wall clock of the station.
#[derive(Debug)]
pub(crate) struct Line {
    /// The kind of train, and what the routes' codes begin with.
    pub(crate) brand: &'static str,
    pub(crate) ends: [&'static str; 2],
    pub(crate) kilometres: u32,
    pub(crate) minutes: u32,
    pub(crate) departures: [u32; 2],
    /// How much of the demand falls on it, compared with the others.
    pub(crate) demand: u32,
    pub(crate) formation: Formation,
    pub(crate) notes: Option<&'static str>,
}

const fn line(
    brand: &'static str,
    ends: [&'static str; 2],
    [kilometres, minutes]: [u32; 2],
    [out, back]: [(u32, u32); 2],
    demand: u32,
    formation: Formation,
) -> Line {
    let departures = [out.0 * 60 + out.1, back.0 * 60 + back.1];
    Line { brand, ends, kilometres, minutes, departures, demand, formation, notes: None }
}

impl Line {
    const fn noted(self, notes: &'static str) -> Self {
        Self { notes: Some(notes), ..self }
    }
}

/// The line on which a train is missing on every tenth day of a month, so that every demo has such a trip.
pub(crate) const SHORT_OF_TRAINS: usize = 3;

#[rustfmt::skip]
pub(crate) const LINES: &[Line] = &[
    line("IC", ["MIL", "ROM"], [568, 190], [(7, 0), (17, 30)], 100, Express),
    line("IC", ["ROM", "NAP"], [225, 72], [(8, 15), (23, 5)], 70, Express).noted("last train back after midnight"),
    line("IC", ["TOR", "VEN"], [405, 230], [(6, 40), (16, 10)], 40, Express),
    line("IC", ["FIR", "BOL"], [97, 38], [(9, 5), (19, 40)], 40, InterCity).noted("short of trains"),
    line("EC", ["MIL", "ZUE"], [293, 198], [(8, 10), (15, 33)], 35, InterCity),
    line("EC", ["VEN", "WIE"], [630, 465], [(7, 25), (6, 25)], 18, InterCity),
    line("EC", ["MUC", "VER"], [433, 330], [(9, 34), (13, 0)], 20, InterCity),
    line("TGV", ["PLY", "LYO"], [427, 118], [(10, 0), (18, 4)], 90, Express),
    line("TGV", ["PLY", "MRS"], [750, 199], [(7, 37), (16, 2)], 60, Express),
    line("TGV", ["PMP", "BOR"], [537, 132], [(9, 52), (17, 46)], 55, Express),
    line("TGV", ["PLY", "GEN"], [541, 191], [(6, 18), (14, 29)], 30, Express),
    line("TGV", ["LUX", "BSL"], [340, 215], [(8, 5), (16, 20)], 12, InterCity),
    line("EST", ["LON", "PNO"], [492, 137], [(9, 31), (18, 12)], 80, Express),
    line("EST", ["LON", "BXL"], [373, 121], [(10, 58), (17, 56)], 40, Express),
    line("EST", ["AMS", "LON"], [570, 244], [(7, 47), (16, 4)], 25, Express),
    line("EST", ["PNO", "BXL"], [312, 82], [(8, 25), (20, 13)], 50, Express),
    line("ICE", ["BER", "MUC"], [623, 238], [(8, 30), (15, 55)], 70, Express),
    line("ICE", ["HAM", "BER"], [284, 105], [(7, 36), (22, 35)], 65, Express).noted("last train back after midnight"),
    line("ICE", ["FRA", "KLN"], [180, 62], [(9, 10), (18, 55)], 60, Express),
    line("ICE", ["FRA", "BSL"], [337, 173], [(10, 50), (14, 13)], 35, Express),
    line("ICE", ["NUE", "MUC"], [171, 63], [(6, 58), (20, 50)], 35, Express),
    line("RJ", ["WIE", "SZG"], [317, 142], [(7, 30), (17, 8)], 45, InterCity),
    line("RJ", ["WIE", "BUD"], [262, 158], [(9, 42), (16, 40)], 30, InterCity),
    line("RJ", ["GRZ", "PRG"], [610, 420], [(6, 26), (10, 49)], 15, InterCity),
    line("RJ", ["INN", "ZUE"], [285, 212], [(11, 17), (12, 40)], 18, InterCity),
    line("IC", ["GEN", "ZUE"], [278, 165], [(7, 42), (18, 32)], 40, InterCity),
    line("AVE", ["MAD", "BCN"], [621, 150], [(8, 0), (19, 25)], 85, Express),
    line("AVE", ["MAD", "SVQ"], [471, 152], [(10, 0), (18, 45)], 50, Express),
    line("IC", ["LIS", "POR"], [337, 168], [(8, 9), (16, 52)], 40, InterCity),
    line("IC", ["KBH", "HAM"], [345, 280], [(7, 26), (15, 24)], 20, InterCity),
    line("X2", ["STO", "GOT"], [455, 185], [(9, 28), (17, 31)], 40, InterCity),
    line("IC", ["OSL", "BGO"], [496, 405], [(8, 25), (11, 59)], 22, InterCity),
    line("IC", ["HEL", "TRE"], [187, 92], [(9, 19), (22, 41)], 30, InterCity).noted("last train back after midnight"),
    line("EIP", ["WAW", "KRK"], [293, 140], [(8, 45), (17, 12)], 45, InterCity),
    line("EIP", ["WAW", "GDN"], [328, 160], [(7, 20), (18, 40)], 35, InterCity),
    line("EC", ["BER", "WAW"], [573, 320], [(9, 52), (13, 55)], 20, InterCity),
    line("EC", ["PRG", "BTS"], [399, 245], [(10, 2), (15, 55)], 15, InterCity),
    line("IC", ["PRG", "BRQ"], [255, 150], [(8, 2), (19, 22)], 25, InterCity),
    line("IC", ["LJU", "ZAG"], [141, 137], [(8, 20), (18, 35)], 8, InterCity),
    line("IC", ["ATH", "SKG"], [502, 240], [(7, 18), (15, 14)], 20, InterCity),
    line("IC", ["DUB", "BFS"], [182, 125], [(9, 30), (18, 5)], 18, InterCity),
    line("IC", ["KGX", "EDI"], [632, 260], [(10, 0), (16, 30)], 45, InterCity),
    line("NJ", ["WIE", "ROM"], [1130, 840], [(19, 18), (19, 10)], 16, Night).noted("over midnight"),
    line("NJ", ["BER", "PNO"], [1060, 830], [(20, 18), (19, 12)], 15, Night).noted("over midnight"),
    line("NJ", ["ZUE", "HAM"], [950, 700], [(21, 59), (20, 29)], 15, Night).noted("over midnight"),
    line("EN", ["SZG", "VEN"], [420, 355], [(2, 30), (20, 57)], 8, Night)
        .noted("leaves Salzburg in the hour the clocks change"),
    line("EN", ["LIS", "MAD"], [640, 620], [(21, 25), (21, 43)], 10, Night).noted("over midnight"),
    line("EN", ["BUH", "BUD"], [870, 840], [(17, 45), (19, 10)], 6, Night).noted("over midnight"),
    line("NT", ["STO", "MMO"], [614, 430], [(22, 40), (22, 8)], 9, Night).noted("over midnight"),
    line("PYO", ["HEL", "OUL"], [680, 600], [(19, 29), (21, 5)], 9, Night).noted("over midnight"),
];
