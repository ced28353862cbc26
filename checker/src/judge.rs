//! The verdict.

use std::collections::BTreeSet;
use std::fmt;

use seedwork::{IdCliente, IdCorrelacion, Phase};

use crate::ledger::{Saldo, saldos};
use crate::{Accepted, Evidence, Seen};

/// What the judge found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How many payments were judged.
    pub payments: usize,
    /// How many completed.
    pub completed: usize,
    /// How many were undone.
    pub compensated: usize,
    /// What the merchant holds according to the gateway, in minor units.
    pub held: i64,
    /// What it should hold: the amounts of the completed payments.
    pub owed: i64,
    /// Every promise that was broken.
    pub violations: Vec<Violation>,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// A door said yes and there is no saga.
    Lost(IdCorrelacion),
    /// A saga has not ended.
    NotEnded(IdCorrelacion, Phase),
    /// Money was taken more than once.
    ChargedTwice(IdCorrelacion, usize),
    /// The gateway holds another amount than the saga's end says.
    WrongMoney {
        /// Which payment.
        id: IdCorrelacion,
        /// What the merchant holds, in minor units.
        held: i64,
        /// What it should hold.
        owed: i64,
    },
    /// Money is still set aside for a payment that was undone.
    MoneySetAside(IdCorrelacion),
    /// The gateway moved money for a payment that no door accepted.
    Orphan(String),
    /// The invoice says something else than the saga.
    WrongInvoice(IdCorrelacion, Option<String>),
    /// The client's plan says something else than its invoices.
    WrongPlan(IdCliente, String),
}

impl Verdict {
    /// Whether no money was made or lost.
    pub fn money_conserved(&self) -> bool {
        self.held == self.owed
    }

    /// Nothing was broken and no money was made or lost; otherwise all of it as a sentence.
    pub fn holds(&self) -> Result<(), String> {
        if self.violations.is_empty() && self.money_conserved() {
            return Ok(());
        }
        let violations: Vec<String> = self.violations.iter().map(ToString::to_string).collect();
        Err(format!(
            "held {}, owed {}; {}",
            self.held,
            self.owed,
            violations.join("; ")
        ))
    }
}

/// Judges a run that has come to rest.
pub fn judge(evidence: &Evidence) -> Verdict {
    let Evidence {
        accepted,
        sagas,
        movimientos,
        facturas,
        planes,
        contracargos,
    } = evidence;
    let saldos = saldos(movimientos);
    let mut violations = Vec::new();
    let (mut completed, mut compensated, mut owed) = (0, 0, 0);
    let mut paid = BTreeSet::new();
    for Accepted { id, id_cliente, minor } in accepted {
        let Some(Seen { phase, ended }) = sagas.get(id).copied() else {
            violations.push(Violation::Lost(id.clone()));
            continue;
        };
        if !ended {
            violations.push(Violation::NotEnded(id.clone(), phase));
        }
        let saldo = saldos.get(id.as_str()).cloned().unwrap_or_default();
        let invoice = facturas.get(id).map(String::as_str);
        let (expected, invoice_fits) = match phase {
            Phase::Completed => {
                completed += 1;
                paid.insert(id_cliente);
                (*minor, invoice == Some("CONFIRMADO"))
            }
            Phase::Compensated => {
                compensated += 1;
                (0, matches!(invoice, None | Some("CANCELADO")))
            }
            // Not ended: that is the violation, the rest cannot be judged.
            Phase::Pending | Phase::Running | Phase::Compensating | Phase::Stalled => continue,
        };
        owed += expected;
        if !invoice_fits {
            violations.push(Violation::WrongInvoice(id.clone(), invoice.map(str::to_owned)));
        }
        violations.extend(money(id, phase, expected, &saldo, contracargos.contains(id)));
    }
    let known: BTreeSet<&str> = accepted.iter().map(|a| a.id.as_str()).collect();
    violations.extend(
        saldos
            .keys()
            .filter(|id| !known.contains(id.as_str()))
            .cloned()
            .map(Violation::Orphan),
    );
    for (id_cliente, plan) in planes {
        let expected = if paid.contains(id_cliente) {
            "PAGADO"
        } else {
            "PENDIENTE"
        };
        if plan != expected {
            violations.push(Violation::WrongPlan(id_cliente.clone(), plan.clone()));
        }
    }
    let held = saldos.values().map(Saldo::neto).sum();
    Verdict {
        payments: accepted.len(),
        completed,
        compensated,
        held,
        owed,
        violations,
    }
}

fn money(id: &IdCorrelacion, phase: Phase, owed: i64, saldo: &Saldo, charged_back: bool) -> Vec<Violation> {
    let mut violations = Vec::new();
    if saldo.capturas > 1 {
        violations.push(Violation::ChargedTwice(id.clone(), saldo.capturas));
    }
    // A chargeback that came after the end is the bank's doing, not ours.
    if saldo.neto() != owed && !(charged_back && saldo.neto() + saldo.contracargado == owed) {
        violations.push(Violation::WrongMoney {
            id: id.clone(),
            held: saldo.neto(),
            owed,
        });
    }
    // An authorisation is used up by its capture; every other one must have been let go.
    let open = saldo.autorizaciones > saldo.anulaciones + saldo.capturas;
    if open && phase == Phase::Compensated {
        violations.push(Violation::MoneySetAside(id.clone()));
    }
    violations
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(id) => write!(f, "{id} was accepted and has no saga"),
            Self::NotEnded(id, phase) => write!(f, "{id} has not ended: {phase}"),
            Self::ChargedTwice(id, times) => write!(f, "{id} was charged {times} times"),
            Self::WrongMoney { id, held, owed } => write!(f, "{id}: the gateway holds {held}, the saga says {owed}"),
            Self::MoneySetAside(id) => write!(f, "{id} was undone, but money is still set aside for it"),
            Self::Orphan(id) => write!(f, "the gateway moved money for {id}, which no door accepted"),
            Self::WrongInvoice(id, Some(estado)) => write!(f, "{id}: the invoice says {estado}"),
            Self::WrongInvoice(id, None) => write!(f, "{id} has no invoice"),
            Self::WrongPlan(id, plan) => write!(f, "the plan of client {id} says {plan}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Movimiento, TipoMovimiento};

    fn id(text: &str) -> IdCorrelacion {
        IdCorrelacion::parse(text).unwrap()
    }

    fn movimiento(tipo: TipoMovimiento, referencia: &str, monto: i64) -> Movimiento {
        Movimiento {
            tipo,
            referencia: referencia.into(),
            clave: format!("{referencia}/{tipo:?}"),
            monto,
        }
    }

    /// One payment completed, one undone after its capture; everything fits.
    fn good() -> Evidence {
        let mut evidence = Evidence::default();
        for (payment, client, phase, invoice) in [
            ("p-1", "c-1", Phase::Completed, "CONFIRMADO"),
            ("p-2", "c-2", Phase::Compensated, "CANCELADO"),
        ] {
            let id_cliente = IdCliente::parse(client).unwrap();
            evidence.accepted.push(Accepted {
                id: id(payment),
                id_cliente: id_cliente.clone(),
                minor: 2400,
            });
            evidence.sagas.insert(id(payment), Seen { phase, ended: true });
            evidence.facturas.insert(id(payment), invoice.to_owned());
            let plan = if phase == Phase::Completed {
                "PAGADO"
            } else {
                "PENDIENTE"
            };
            evidence.planes.insert(id_cliente, plan.to_owned());
            evidence
                .movimientos
                .push(movimiento(TipoMovimiento::Autorizacion, payment, 2400));
            evidence
                .movimientos
                .push(movimiento(TipoMovimiento::Captura, payment, 2400));
        }
        evidence
            .movimientos
            .push(movimiento(TipoMovimiento::Reembolso, "p-2", 2400));
        evidence
    }

    fn violations(break_it: impl FnOnce(&mut Evidence)) -> Vec<Violation> {
        let mut evidence = good();
        break_it(&mut evidence);
        judge(&evidence).violations
    }

    #[test]
    fn a_run_where_everything_fits_has_no_violation() {
        let verdict = judge(&good());
        assert_eq!(verdict.violations, []);
        assert_eq!((verdict.completed, verdict.compensated), (1, 1));
        assert!(verdict.money_conserved());
    }

    #[test]
    fn every_broken_promise_is_found() {
        use TipoMovimiento::{Anulacion, Autorizacion, Captura, Contracargo};
        let cliente = |text| IdCliente::parse(text).unwrap();
        assert_eq!(
            violations(|e| {
                e.sagas.remove(&id("p-1"));
            })[0],
            Violation::Lost(id("p-1"))
        );
        let running = Seen {
            phase: Phase::Running,
            ended: false,
        };
        assert_eq!(
            violations(|e| {
                e.sagas.insert(id("p-1"), running);
            })[0],
            Violation::NotEnded(id("p-1"), Phase::Running)
        );
        assert_eq!(
            violations(|e| e.movimientos.push(movimiento(Captura, "p-1", 2400)))[0],
            Violation::ChargedTwice(id("p-1"), 2)
        );
        assert_eq!(
            violations(|e| {
                e.movimientos.pop();
            }),
            [Violation::WrongMoney {
                id: id("p-2"),
                held: 2400,
                owed: 0
            }]
        );
        assert_eq!(
            violations(|e| e.movimientos.push(movimiento(Autorizacion, "p-2", 2400))),
            [Violation::MoneySetAside(id("p-2"))]
        );
        assert_eq!(
            violations(|e| {
                e.movimientos.push(movimiento(Autorizacion, "p-2", 2400));
                e.movimientos.push(movimiento(Anulacion, "p-2", 2400));
            }),
            []
        );
        assert_eq!(
            violations(|e| e.movimientos.push(movimiento(Autorizacion, "p-9", 1))),
            [Violation::Orphan("p-9".into())]
        );
        assert_eq!(
            violations(|e| {
                e.facturas.insert(id("p-2"), "CONFIRMADO".into());
            }),
            [Violation::WrongInvoice(id("p-2"), Some("CONFIRMADO".into()))]
        );
        assert_eq!(
            violations(|e| {
                e.facturas.remove(&id("p-1"));
            }),
            [Violation::WrongInvoice(id("p-1"), None)]
        );
        assert_eq!(
            violations(|e| {
                e.planes.insert(cliente("c-1"), "PENDIENTE".into());
            }),
            [Violation::WrongPlan(cliente("c-1"), "PENDIENTE".into())]
        );
        // Money that the bank took back is money gone, unless the bank is known to have done it.
        let back = movimiento(Contracargo, "p-1", 2400);
        assert_eq!(
            violations(|e| e.movimientos.push(back.clone())),
            [Violation::WrongMoney {
                id: id("p-1"),
                held: 0,
                owed: 2400
            }]
        );
        assert_eq!(
            violations(|e| {
                e.movimientos.push(back);
                e.contracargos.insert(id("p-1"));
            }),
            []
        );
    }
}
