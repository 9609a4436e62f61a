//! Passengers. They come in households, because families travel together and one of them books.

use std::borrow::Cow;

use jiff::civil::Date;
use rand::{Rng, RngExt};
use uuid::Uuid;

use super::{
    calendar::{DAY, Micros},
    hostile,
    keys::{Of, Seed},
};

/// Households by size; the pattern repeats. A household's first passenger follows the last of the one before.
const HOUSEHOLDS: [u64; 20] = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 4, 4, 6];

/// The passengers of one round of [`HOUSEHOLDS`].
const IN_A_ROUND: u64 = 40;

/// Hostile passengers are numbered from here, far above all others.
const HOSTILE: u64 = 1 << 40;

/// Where a household lives: names, the prefix of its phone numbers.
struct Country {
    first_names: [&'static str; 16],
    last_names: [&'static str; 16],
    dial: &'static str,
}

#[rustfmt::skip]
const COUNTRIES: [Country; 12] = [
    Country {
        first_names: ["Giulia", "Francesco", "Sofia", "Alessandro", "Aurora", "Lorenzo", "Chiara", "Matteo", "Niccolò", "Beatrice", "Davide", "Elena", "Riccardo", "Marta", "Simone", "Noemi"],
        last_names: ["Rossi", "Russo", "Ferrari", "Esposito", "Bianchi", "Romano", "Colombo", "Ricci", "Marino", "Greco", "De Luca", "Lo Presti", "Gallo", "D'Amico", "Fontana", "Nicolò"],
        dial: "+39",
    },
    Country {
        first_names: ["Emma", "Louis", "Chloé", "Gabriel", "Léa", "Raphaël", "Inès", "Théo", "Zoé", "Jérôme", "Camille", "François", "Anaïs", "Noël", "Margaux", "Benoît"],
        last_names: ["Martin", "Bernard", "Dubois", "Lefèvre", "Moreau", "Garnier", "Lambert", "Rousseau", "Faure", "Mercier", "Le Goff", "Béranger", "Chevalier", "Gauthier", "Perrin", "d'Aubigné"],
        dial: "+33",
    },
    Country {
        first_names: ["Mia", "Leon", "Hannah", "Jonas", "Jürgen", "Käthe", "Felix", "Lena", "Björn", "Sabine", "Lukas", "Anneliese", "Jörg", "Franziska", "Günther", "Ayşe"],
        last_names: ["Müller", "Schmidt", "Schneider", "Fischer", "Weber", "Becker", "Schäfer", "Koch", "Groß", "Krüger", "Hoffmann", "Vogel", "Weiß", "Köhler", "von der Heide", "Öztürk"],
        dial: "+49",
    },
    Country {
        first_names: ["Olivia", "George", "Amelia", "Arthur", "Isla", "Harry", "Niamh", "Rhys", "Freya", "Callum", "Eleanor", "Oscar", "Siân", "Hamish", "Priya", "Mohammed"],
        last_names: ["Smith", "Jones", "Taylor", "Brown", "Wilson", "Evans", "Thomas", "Walker", "Wright", "MacDonald", "O'Neill", "Patel", "Khan", "Hughes", "Clarke", "Fitzgerald-Ross"],
        dial: "+44",
    },
    Country {
        first_names: ["Lucía", "Hugo", "María", "Martín", "Paula", "Daniel", "Begoña", "Iñaki", "Núria", "Álvaro", "Carmen", "Jesús", "Ángela", "Joaquín", "Montserrat", "Íker"],
        last_names: ["García", "Martínez", "López", "Sánchez", "Pérez", "Gómez", "Muñoz", "Ibáñez", "Peña", "Núñez", "Castaño", "Roldán", "Etxebarria", "Puig", "Vázquez", "de la Fuente"],
        dial: "+34",
    },
    Country {
        first_names: ["Leonor", "João", "Matilde", "Gonçalo", "Inês", "Tomás", "Conceição", "Duarte", "Sónia", "António", "Mariana", "Tiago", "Beatriz", "Simão", "Lídia", "Luís"],
        last_names: ["Silva", "Santos", "Ferreira", "Pereira", "Gonçalves", "Simões", "Magalhães", "Araújo", "Teixeira", "Conceição", "Leitão", "Guimarães", "Falcão", "Brandão", "Assunção", "Antunes"],
        dial: "+351",
    },
    Country {
        first_names: ["Zuzanna", "Jakub", "Małgorzata", "Wojciech", "Agnieszka", "Paweł", "Grażyna", "Łukasz", "Bożena", "Stanisław", "Katarzyna", "Michał", "Żaneta", "Krzysztof", "Ewa", "Rafał"],
        last_names: ["Nowak", "Kowalski", "Wiśniewska", "Wójcik", "Kamińska", "Lewandowski", "Zieliński", "Szymańska", "Woźniak", "Dąbrowski", "Kozłowska", "Jabłoński", "Mazur", "Śliwa", "Pawłowska", "Żak"],
        dial: "+48",
    },
    Country {
        first_names: ["Tereza", "Jiří", "Eliška", "Ondřej", "Zdeněk", "Božena", "Matěj", "Kateřina", "Lukáš", "Anežka", "Vojtěch", "Barbora", "Štěpán", "Ľudmila", "Radoslav", "Žofia"],
        last_names: ["Novák", "Svobodová", "Dvořák", "Černá", "Procházka", "Kučerová", "Veselý", "Horáková", "Němec", "Pokorná", "Růžička", "Šimková", "Kováč", "Hudáková", "Bureš", "Křížová"],
        dial: "+420",
    },
    Country {
        first_names: ["Alma", "Lars", "Åsa", "Bjørn", "Ingrid", "Søren", "Maja", "Håkon", "Elin", "Øyvind", "Freja", "Mikkel", "Sigrid", "Göran", "Solveig", "Anders"],
        last_names: ["Andersson", "Hansen", "Johansson", "Lindström", "Sjöberg", "Nyström", "Sørensen", "Bjørnstad", "Ødegård", "Ås", "Møller", "Kjær", "Öberg", "Nygård", "Rasmussen", "Åkesson"],
        dial: "+46",
    },
    Country {
        first_names: ["Aino", "Väinö", "Helmi", "Eero", "Päivi", "Jyrki", "Tuuli", "Mikko", "Hilkka", "Antti", "Säde", "Onni", "Kyllikki", "Ahti", "Venla", "Jukka-Pekka"],
        last_names: ["Korhonen", "Virtanen", "Mäkinen", "Nieminen", "Mäkelä", "Hämäläinen", "Laine", "Heikkinen", "Koskinen", "Järvinen", "Lehtonen", "Räsänen", "Ylönen", "Åberg", "Kähkönen", "Salo"],
        dial: "+358",
    },
    Country {
        first_names: ["Hanna", "Bence", "Zsófia", "Ádám", "Réka", "László", "Eszter", "Győző", "Ágnes", "István", "Ștefan", "Ioana", "Mihăiță", "Andrada", "Răzvan", "Luca"],
        last_names: ["Nagy", "Kovács", "Tóth", "Szabó", "Horváth", "Kiss", "Őry", "Fűzesi", "Popescu", "Ionescu", "Dumitrescu", "Șerban", "Țăran", "Munteanu", "Nőthig", "Lukács"],
        dial: "+36",
    },
    Country {
        first_names: ["Μαρία", "Γιώργος", "Ελένη", "Δημήτρης", "Αικατερίνη", "Νίκος", "Σοφία", "Κωνσταντίνος", "Иван", "Мария", "Георги", "Елена", "Димитър", "Luka", "Živa", "Đurđa"],
        last_names: ["Παπαδόπουλος", "Βασιλείου", "Οικονόμου", "Νικολάου", "Γεωργίου", "Ζαχαρίας", "Иванов", "Петрова", "Димитров", "Horvat", "Kovačević", "Babić", "Marić", "Žagar", "Šušteršič", "Đurić"],
        dial: "+30",
    },
];

/// A passenger as the table `passengers` has it.
#[derive(Debug, PartialEq)]
pub(crate) struct Passenger {
    pub(crate) first_name: Cow<'static, str>,
    pub(crate) last_name: Cow<'static, str>,
    pub(crate) date_of_birth: Option<Date>,
    /// A name of the enum `doc_type`.
    pub(crate) doc_type: Option<&'static str>,
    pub(crate) doc_number: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) created_at: Micros,
}

/// All who travel.
#[derive(Debug)]
pub(crate) struct People {
    seed: Seed,
    rounds: u64,
    first_month: Date,
    /// When the first month begins: everybody was known before.
    start: Micros,
}

impl People {
    /// Enough people that many buy once and some come back.
    pub(crate) fn new(seed: Seed, tickets: u64, first_month: Date, start: Micros) -> Self {
        Self { seed, rounds: tickets / 60 + 1, first_month, start }
    }

    /// The numbers of all passengers, the hostile ones first.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        let hostile = (HOSTILE..).take(hostile::NAMES.len());
        hostile.chain(0..self.rounds * IN_A_ROUND)
    }

    /// The first passenger of a household in which at least so many, up to six, can travel together.
    pub(crate) fn party(&self, travellers: usize, rng: &mut impl Rng) -> u64 {
        let households = match travellers {
            0 | 1 => 0..15,
            2 => 10..17,
            3 => 15..19,
            4 => 17..20,
            _ => 19..20,
        };
        let place = rng.random_range(households);
        let before: u64 = HOUSEHOLDS[..place].iter().sum();
        rng.random_range(0..self.rounds) * IN_A_ROUND + before
    }

    /// The account a passenger's household books with, if it has one.
    pub(crate) fn account(&self, number: u64) -> Option<Uuid> {
        if number >= HOSTILE {
            return None;
        }
        let (household, _) = household(number);
        (self.seed.chance(Of::Household, household) % 10 < 7).then(|| self.seed.id(Of::Household, household))
    }

    /// Everything about a passenger but the keys.
    pub(crate) fn passenger(&self, number: u64) -> Passenger {
        if let Some(place) = number.checked_sub(HOSTILE) {
            return self.hostile(place);
        }
        let (household, member) = household(number);
        let mut rng = self.seed.stream(Of::Household, household);
        let country = &COUNTRIES[rng.random_range(0..COUNTRIES.len())];
        let last_name = country.last_names[rng.random_range(0..country.last_names.len())];

        let mut rng = self.seed.stream(Of::Passenger, number);
        let age = if member < 2 { rng.random_range(19..86) } else { rng.random_range(1..17) };
        let doc_type = match rng.random_range(0..100) {
            0..62 => Some("id_card"),
            62..90 => Some("passport"),
            90..93 => Some("other"),
            _ => None,
        };
        Passenger {
            first_name: country.first_names[rng.random_range(0..country.first_names.len())].into(),
            last_name: last_name.into(),
            date_of_birth: Date::new(self.first_month.year() - age, rng.random_range(1..=12), rng.random_range(1..=28))
                .ok(),
            doc_type,
            doc_number: doc_type.map(|_| self.seed.reference("", Of::Passenger, number)),
            email: (member == 0).then(|| format!("traveller{number}@example.com")),
            phone: (member == 0).then(|| format!("{} {:09}", country.dial, rng.random_range(100_000..1_000_000_000))),
            created_at: self.start - rng.random_range(0..700 * DAY),
        }
    }

    fn hostile(&self, place: u64) -> Passenger {
        let index = usize::try_from(place).unwrap_or(0) % hostile::NAMES.len();
        let [first_name, last_name] = hostile::names(index);
        Passenger {
            first_name,
            last_name,
            date_of_birth: None,
            doc_type: None,
            doc_number: None,
            email: None,
            phone: None,
            created_at: self.start - DAY,
        }
    }
}

/// The number of the hostile passenger at a place in [`hostile::NAMES`].
pub(crate) fn hostile_number(place: usize) -> u64 {
    HOSTILE + place as u64
}

/// A passenger's household, and which of its members the passenger is.
fn household(number: u64) -> (u64, u64) {
    let mut member = number % IN_A_ROUND;
    let mut household = number / IN_A_ROUND * HOUSEHOLDS.len() as u64;
    for size in HOUSEHOLDS {
        if member < size {
            break;
        }
        member -= size;
        household += 1;
    }
    (household, member)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_party_is_of_one_household() {
        assert_eq!(HOUSEHOLDS.iter().sum::<u64>(), IN_A_ROUND);
        let people = People::new(Seed(3), 10_000, date(2025, 1, 1), 0);
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        for travellers in 1..=6 {
            for _ in 0..200 {
                let first = people.party(travellers, &mut rng);
                let last = first + travellers as u64 - 1;
                assert_eq!(household(first).1, 0);
                assert_eq!(household(first).0, household(last).0);
                assert_eq!(people.passenger(first).last_name, people.passenger(last).last_name);
                assert_eq!(people.account(first), people.account(last));
            }
        }
    }

    #[test]
    fn names_come_as_they_are_listed() {
        let people = People::new(Seed(3), 100, date(2025, 1, 1), 0);
        let hostile = people.passenger(hostile_number(5));
        assert_eq!(hostile.first_name, "=HYPERLINK(\"http://example.com\",\"x\")");
        let long = people.passenger(hostile_number(hostile::LONG_NAMED));
        assert_eq!(long.first_name.chars().count(), hostile::LONGEST_NAME);
    }
}
