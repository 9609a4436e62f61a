//! Trains, their carriages and their seats.

/// A train's make-up. Every line runs with trains of one make-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Formation {
    Express,
    InterCity,
    Night,
}

/// What a seat is sold as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SeatClass {
    Economy,
    Standard,
    First,
    Business,
}

impl SeatClass {
    pub(crate) const ALL: [Self; 4] = [Self::Economy, Self::Standard, Self::First, Self::Business];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Economy => "economy",
            Self::Standard => "standard",
            Self::First => "first",
            Self::Business => "business",
        }
    }
}

/// One carriage of a make-up; without a class it has no seats to sell.
#[derive(Debug)]
pub(crate) struct Carriage {
    /// A name of the enum `carriage_type`.
    pub(crate) kind: &'static str,
    pub(crate) class: Option<SeatClass>,
    pub(crate) seats: u16,
}

const fn carriage(kind: &'static str, class: Option<SeatClass>, seats: u16) -> Carriage {
    Carriage { kind, class, seats }
}

const EXPRESS: &[Carriage] = &[
    carriage("coach", Some(SeatClass::Business), 36),
    carriage("coach", Some(SeatClass::First), 54),
    carriage("dining", None, 0),
    carriage("coach", Some(SeatClass::Standard), 72),
    carriage("coach", Some(SeatClass::Standard), 72),
    carriage("coach", Some(SeatClass::Economy), 84),
    carriage("coach", Some(SeatClass::Economy), 84),
    carriage("coach", Some(SeatClass::Economy), 84),
];

const INTER_CITY: &[Carriage] = &[
    carriage("coach", Some(SeatClass::First), 54),
    carriage("dining", None, 0),
    carriage("coach", Some(SeatClass::Standard), 68),
    carriage("coach", Some(SeatClass::Standard), 68),
    carriage("coach", Some(SeatClass::Economy), 80),
    carriage("coach", Some(SeatClass::Economy), 80),
];

const NIGHT: &[Carriage] = &[
    carriage("coach", Some(SeatClass::Economy), 60),
    carriage("coach", Some(SeatClass::Economy), 60),
    carriage("sleeper", Some(SeatClass::Standard), 40),
    carriage("sleeper", Some(SeatClass::Standard), 40),
    carriage("dining", None, 0),
    carriage("sleeper", Some(SeatClass::First), 24),
    carriage("cargo", None, 0),
];

impl Formation {
    pub(crate) const ALL: [Self; 3] = [Self::Express, Self::InterCity, Self::Night];

    pub(crate) fn carriages(self) -> &'static [Carriage] {
        match self {
            Self::Express => EXPRESS,
            Self::InterCity => INTER_CITY,
            Self::Night => NIGHT,
        }
    }

    /// All seats of the train.
    pub(crate) fn capacity(self) -> u16 {
        self.carriages().iter().map(|carriage| carriage.seats).sum()
    }

    /// The seats of a class, by their places in the train, front to back.
    pub(crate) fn seats(self, class: SeatClass) -> Vec<u16> {
        let mut first = 0;
        let mut places = Vec::new();
        for carriage in self.carriages() {
            if carriage.class == Some(class) {
                places.extend(first..first + carriage.seats);
            }
            first += carriage.seats;
        }
        places
    }

    /// The models in service: what a registration begins with, the model's name, the operator.
    pub(crate) fn models(self) -> &'static [[&'static str; 3]] {
        match self {
            Self::Express => &[
                ["ETR400", "ETR 400", "Transalpina"],
                ["TGD", "TGV Duplex", "Grande Ligne"],
                ["BR412", "ICE 4", "Nordsüd Bahn"],
                ["S103", "AVE S-103", "Línea Ibérica"],
            ],
            Self::InterCity => &[
                ["RABE501", "Giruno", "Nordsüd Bahn"],
                ["ETR610", "Pendolino Nuovo", "Transalpina"],
                ["RJ1116", "Railjet", "Donau Express"],
                ["ED250", "Pendolino", "Kolej Wschodnia"],
                ["SR3", "Sm3", "Pohjoisrata"],
            ],
            Self::Night => &[["NJ", "Nightjet", "Donau Express"], ["WLAB", "Comfortline", "Nordsüd Bahn"]],
        }
    }
}

/// The number on a seat or berth and where it lies, by its place in the carriage.
pub(crate) fn seat_number(carriage: &Carriage, place: u16) -> (String, &'static str) {
    if carriage.kind == "sleeper" {
        let position = ["lower", "middle", "upper"][usize::from(place % 3)];
        return (format!("{}", 11 + place / 3 * 10 + place % 3), position);
    }
    let abreast = match carriage.class {
        Some(SeatClass::First | SeatClass::Business) => [("A", "window"), ("C", "aisle"), ("D", "window")].as_slice(),
        _ => &[("A", "window"), ("B", "aisle"), ("C", "aisle"), ("D", "window")],
    };
    let row = usize::from(place) / abreast.len() + 1;
    let (letter, position) = abreast[usize::from(place) % abreast.len()];
    (format!("{row}{letter}"), position)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_seat_belongs_to_one_class_and_has_a_number_of_its_own() {
        for formation in Formation::ALL {
            let sold: Vec<_> = SeatClass::ALL.iter().flat_map(|&class| formation.seats(class)).collect();
            assert_eq!(sold.len(), usize::from(formation.capacity()));
            assert_eq!(sold.iter().collect::<HashSet<_>>().len(), sold.len());

            for carriage in formation.carriages() {
                let numbers: HashSet<_> = (0..carriage.seats).map(|place| seat_number(carriage, place)).collect();
                assert_eq!(numbers.len(), usize::from(carriage.seats));
            }
        }
    }
}
