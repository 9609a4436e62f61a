//! The fares: a price for each class, each refund policy and each distance. Prices are in cents of euro.

use super::fleet::SeatClass;

/// What a traveller gets back, and what that does to the price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefundPolicy {
    Non,
    Partially,
    Fully,
}

impl RefundPolicy {
    pub(crate) const ALL: [Self; 3] = [Self::Non, Self::Partially, Self::Fully];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Non => "non_refundable",
            Self::Partially => "partially_refundable",
            Self::Fully => "fully_refundable",
        }
    }

    fn product(self) -> (&'static str, &'static str, i64) {
        match self {
            Self::Non => ("SAVER", "Saver", 60),
            Self::Partially => ("SEMI", "Semi-Flex", 85),
            Self::Fully => ("FLEX", "Flex", 120),
        }
    }
}

/// Up to so many kilometres, this price in standard class at 100 percent.
const ZONES: [(u32, i64); 6] = [(150, 2490), (300, 4490), (450, 6490), (600, 8490), (800, 10990), (u32::MAX, 14990)];

/// A fare as the table `fares` has it.
#[derive(Debug)]
pub(crate) struct Fare {
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) price: i64,
    pub(crate) class: SeatClass,
    pub(crate) policy: RefundPolicy,
}

/// All fares, in the order that [`fare_number`] counts.
pub(crate) fn fares() -> Vec<Fare> {
    let mut fares = Vec::new();
    for class in SeatClass::ALL {
        for policy in RefundPolicy::ALL {
            for (zone, (_, standard)) in (1..).zip(ZONES) {
                fares.push(fare(class, policy, zone, standard));
            }
        }
    }
    fares
}

/// The number of the fare for a class, a policy and a distance in kilometres.
pub(crate) fn fare_number(class: SeatClass, policy: RefundPolicy, kilometres: u32) -> usize {
    let zone = ZONES.iter().take_while(|(limit, _)| kilometres > *limit).count();
    (class as usize * RefundPolicy::ALL.len() + policy as usize) * ZONES.len() + zone
}

fn fare(class: SeatClass, policy: RefundPolicy, zone: u32, standard: i64) -> Fare {
    let (class_code, class_name, class_percent) = match class {
        SeatClass::Economy => ("ECO", "Economy", 70),
        SeatClass::Standard => ("STD", "Standard", 100),
        SeatClass::First => ("FST", "First", 160),
        SeatClass::Business => ("BUS", "Business", 210),
    };
    let (product_code, product_name, product_percent) = policy.product();
    let exact = standard * class_percent * product_percent / 10_000;
    Fare {
        code: format!("{class_code}-{product_code}-{zone}"),
        name: format!("{class_name} {product_name}, zone {zone}"),
        // Printed prices end in ninety cents.
        price: exact / 100 * 100 + 90,
        class,
        policy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_leads_to_its_fare() {
        let fares = fares();
        for (class, policy, kilometres, code) in [
            (SeatClass::Economy, RefundPolicy::Non, 97, "ECO-SAVER-1"),
            (SeatClass::Standard, RefundPolicy::Partially, 151, "STD-SEMI-2"),
            (SeatClass::First, RefundPolicy::Fully, 800, "FST-FLEX-5"),
            (SeatClass::Business, RefundPolicy::Fully, 1130, "BUS-FLEX-6"),
        ] {
            assert_eq!(fares[fare_number(class, policy, kilometres)].code, code);
        }
    }
}
