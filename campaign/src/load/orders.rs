//! What the next client wants: drawn from the seed.

use std::time::Duration;

use checker::Door;
use rand::Rng as _;
use rand::rngs::StdRng;
use seedwork::{Dinero, IdCorrelacion, MedioPago, Moneda, SolicitudPago};

use super::{Kind, Payer};

/// One payment and all that is done to it.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// Its key.
    pub(crate) key: String,
    /// What it must become.
    pub(crate) id: IdCorrelacion,
    /// What is asked for.
    pub(crate) solicitud: SolicitudPago,
    /// Where.
    pub(crate) door: Door,
    /// By the `-comando` route, where there is one.
    pub(crate) comando: bool,
    /// Asked for once more after it was accepted.
    pub(crate) again: bool,
    /// Then another amount is asked for under its key.
    pub(crate) other: bool,
    /// What else is done to it.
    pub(crate) deed: Deed,
}

/// What somebody does to a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Nothing.
    None,
    /// `spec.cancel`.
    Cancel {
        /// So long after it was accepted.
        after: Duration,
    },
    /// `kubectl delete`.
    Delete {
        /// So long after it was accepted.
        after: Duration,
    },
    /// `spec.suspend`, and back.
    Suspend {
        /// So long after it was accepted.
        after: Duration,
        /// For so long.
        lasts: Duration,
    },
    /// Its bank takes the money back.
    Chargeback {
        /// When.
        when: Reached,
    },
    /// `spec.suspend` from its creation on, until somebody takes it back.
    Hold,
}

/// How far a payment must have got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    /// The money was taken.
    Paid,
    /// It has completed, so long ago.
    Completed(Duration),
}

/// Cents of an amount choose what the gateway does (see its table); the weights add up to a thousand.
const OUTCOMES: [(i64, u32); 14] = [
    (0, 850),
    (1, 25),
    (2, 15),
    (3, 5),
    (11, 10),
    (12, 12),
    (13, 12),
    (14, 8),
    (15, 15),
    (16, 15),
    (17, 8),
    (18, 5),
    (19, 10),
    (20, 10),
];

/// Of which a client whose card never works has these.
const DECLINES: [i64; 3] = [1, 2, 3];

impl Order {
    pub(super) fn draw(number: u64, seed: u64, random: &mut StdRng, payers: &[Payer]) -> Self {
        let kind = match random.random_range(0..1000) {
            0..920 => Kind::Plain,
            920..945 => Kind::NoMail,
            945..955 => Kind::Unreachable,
            955..970 => Kind::Late,
            970..990 => Kind::Broke,
            _ => Kind::Unknown,
        };
        let of_kind: Vec<&Payer> = payers.iter().filter(|payer| payer.kind == kind).collect();
        let payer = of_kind[random.random_range(0..of_kind.len())];
        let cents = if kind == Kind::Broke {
            DECLINES[random.random_range(0..DECLINES.len())]
        } else {
            outcome(random.random_range(0..1000))
        };
        let minor = random.random_range(5..=95_i64) * 100 + cents;
        let dinero = Dinero::from_minor(minor, Moneda::USD).expect("5.00 to 95.20 are amounts");
        let medio_pago = MedioPago::ALL[random.random_range(0..MedioPago::ALL.len())];
        let (door, comando) = match random.random_range(0..100) {
            0..45 => (Door::Bff, false),
            45..70 => (Door::GestionClientes, false),
            70..90 => (Door::GestionClientes, true),
            _ => (Door::Kubernetes, false),
        };
        let key = format!("c{seed}-{number}");
        Self {
            id: SolicitudPago::keyed_id(payer.id.as_str(), &key),
            key,
            solicitud: SolicitudPago {
                id_cliente: payer.id.clone(),
                medio_pago,
                dinero,
            },
            door,
            comando,
            again: random.random_range(0..100) < 5,
            other: random.random_range(0..1000) < 5,
            deed: deed(random, door),
        }
    }

    /// A payment that a person holds before it begins; nothing is wrong with it.
    pub(super) fn held(number: usize, seed: u64, payer: &Payer) -> Self {
        let key = format!("h{seed}-{number}");
        Self {
            id: SolicitudPago::keyed_id(payer.id.as_str(), &key),
            key,
            solicitud: SolicitudPago {
                id_cliente: payer.id.clone(),
                medio_pago: MedioPago::ALL[0],
                dinero: Dinero::from_minor(2_400, Moneda::USD).expect("24.00 is an amount"),
            },
            door: Door::Kubernetes,
            comando: false,
            again: false,
            other: false,
            deed: Deed::Hold,
        }
    }
}

fn outcome(mut drawn: u32) -> i64 {
    for (cents, weight) in OUTCOMES {
        if drawn < weight {
            return cents;
        }
        drawn -= weight;
    }
    0
}

fn deed(random: &mut StdRng, door: Door) -> Deed {
    let drawn = random.random_range(0..1000);
    let after = Duration::from_millis(random.random_range(0..1500));
    let later = Duration::from_millis(random.random_range(0..40_000));
    chosen(drawn, door, after, later)
}

/// One of a thousand.
fn chosen(drawn: u32, door: Door, after: Duration, later: Duration) -> Deed {
    match drawn {
        0..20 => Deed::Cancel { after },
        // An applied payment that is deleted before the operator has seen it never was one: nothing holds it back.
        20..30 if door != Door::Kubernetes => Deed::Delete { after },
        30..36 => Deed::Suspend {
            after,
            lasts: Duration::from_secs(2),
        },
        36..46 => Deed::Chargeback { when: Reached::Paid },
        46..60 => Deed::Chargeback {
            when: Reached::Completed(later),
        },
        _ => Deed::None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use seedwork::IdCliente;

    use super::*;
    use crate::draws::generator;
    use crate::load::deeds::{CANCELLED, CHARGED_BACK, DEEDS, DELETED, RESUMED, SUSPENDED};

    #[test]
    fn the_weights_add_up_and_the_same_seed_asks_for_the_same() {
        assert_eq!(OUTCOMES.iter().map(|(_, weight)| weight).sum::<u32>(), 1000);
        let payers: Vec<Payer> = super::super::PAYERS
            .iter()
            .map(|(kind, _, _)| Payer {
                id: IdCliente::parse(format!("{kind:?}")).unwrap(),
                kind: *kind,
            })
            .collect();
        let drawn = || -> Vec<String> {
            (0..200)
                .map(|number| format!("{:?}", Order::draw(number, 7, &mut generator(7, number), &payers)))
                .collect()
        };
        assert_eq!(drawn(), drawn());
        let ids: std::collections::BTreeSet<String> = drawn().into_iter().collect();
        assert_eq!(ids.len(), 200);
    }

    #[test]
    fn each_deed_is_drawn_as_often_as_is_said() {
        let mut drawn: BTreeMap<&str, usize> = BTreeMap::new();
        // One payment of ten is applied.
        let doors = [Door::Bff; 9].into_iter().chain([Door::Kubernetes]);
        for (door, one) in doors.flat_map(|door| (0..1000).map(move |one| (door, one))) {
            let done: &[&str] = match chosen(one, door, Duration::ZERO, Duration::ZERO) {
                Deed::None | Deed::Hold => &[],
                Deed::Cancel { .. } => &[CANCELLED],
                Deed::Delete { .. } => &[DELETED],
                Deed::Suspend { .. } => &[SUSPENDED, RESUMED],
                Deed::Chargeback { .. } => &[CHARGED_BACK],
            };
            for what in done {
                *drawn.entry(what).or_default() += 1;
            }
        }
        let of_ten_thousand = DEEDS.map(|(what, of_thousand)| (what, of_thousand * 10));
        assert_eq!(drawn, BTreeMap::from(of_ten_thousand));
    }
}
