//! The comparison of our payments with the gateway's books: values in, named differences out.

use std::fmt;

use seedwork::{Dinero, Moneda};

use super::estado::EstadoPago;
use super::pago::Pago;

/// What the gateway holds of one payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cuenta {
    /// The reference: the payment's identity, if it is one of ours.
    pub referencia: String,
    /// Each time that money was taken.
    pub cargos: Vec<Partida>,
    /// Minor units that were given back, all in all.
    pub devuelto: i64,
    /// Promises that were neither taken up nor given back.
    pub promesas_abiertas: u32,
    /// The client's bank took the money back.
    pub contracargada: bool,
    /// When it last moved, in milliseconds since the epoch, as far as the gateway says.
    pub movida_ms: i64,
}

/// Money that was taken once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partida {
    /// The gateway's id of it.
    pub id: String,
    /// Minor units.
    pub minor: i64,
    /// Of this currency.
    pub moneda: Moneda,
}

/// What we hold of one payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nuestro {
    /// Where its money is, by our books.
    pub asiento: Asiento,
    /// We know of a chargeback.
    pub contracargo: bool,
}

/// Where a payment's money is, by our books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asiento {
    /// Something is under way, or stuck: nothing definite can be expected.
    EnCurso,
    /// The money was taken, and not given back by us.
    Cobrado(Dinero),
    /// The money was taken and given back.
    Devuelto(Dinero),
    /// No money moved, and none is promised.
    SinCobro,
}

/// A difference, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Diferencia {
    /// The gateway took or promised money for a payment that we don't know.
    SoloEnPasarela,
    /// We hold money to be taken that the gateway knows nothing of.
    SoloAqui,
    /// Another amount was taken.
    OtroMonto,
    /// The money is somewhere else.
    OtroEstado,
    /// Money was taken more than once.
    CapturadoDosVeces,
    /// More was given back than was taken.
    ReembolsadoDeMas,
}

/// A difference that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hallazgo {
    /// Which.
    pub nombre: Diferencia,
    /// What we hold, in words.
    pub aqui: String,
    /// What the gateway holds, in words.
    pub pasarela: String,
}

// === impl Cuenta ===

impl Cuenta {
    /// An account on which nothing happened.
    pub fn vacia(referencia: impl Into<String>, movida_ms: i64) -> Self {
        Self {
            referencia: referencia.into(),
            cargos: Vec::new(),
            devuelto: 0,
            promesas_abiertas: 0,
            contracargada: false,
            movida_ms,
        }
    }

    /// Adds what another page says of the same payment.
    pub fn unir(&mut self, otra: Self) {
        let Self {
            referencia: _,
            cargos,
            devuelto,
            promesas_abiertas,
            contracargada,
            movida_ms,
        } = otra;
        self.cargos.extend(cargos);
        self.devuelto = self.devuelto.saturating_add(devuelto);
        self.promesas_abiertas = self.promesas_abiertas.saturating_add(promesas_abiertas);
        self.contracargada |= contracargada;
        self.movida_ms = self.movida_ms.max(movida_ms);
    }

    /// Minor units that were taken, all in all.
    fn cobrado(&self) -> i64 {
        self.cargos.iter().map(|cargo| cargo.minor).sum()
    }

    fn sin_dinero(&self) -> bool {
        self.cargos.is_empty() && self.devuelto == 0 && self.promesas_abiertas == 0
    }
}

impl fmt::Display for Cuenta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moneda = self.cargos.first().map_or("", |cargo| cargo.moneda.as_str());
        write!(
            f,
            "{} cobros por {} {moneda}, devuelto {}, {} promesas abiertas{}",
            self.cargos.len(),
            self.cobrado(),
            self.devuelto,
            self.promesas_abiertas,
            if self.contracargada { ", contracargado" } else { "" }
        )
    }
}

// === impl Partida ===

impl Partida {
    /// Money taken once.
    pub fn new(id: impl Into<String>, minor: i64, moneda: Moneda) -> Self {
        Self {
            id: id.into(),
            minor,
            moneda,
        }
    }
}

// === impl Nuestro ===

impl From<&Pago> for Nuestro {
    fn from(pago: &Pago) -> Self {
        let asiento = match &pago.estado {
            EstadoPago::Capturado(cobro) | EstadoPago::ReembolsoRechazado(cobro, _) => Asiento::Cobrado(cobro.dinero),
            EstadoPago::Reembolsado(cobro, _) => Asiento::Devuelto(cobro.dinero),
            EstadoPago::Rechazado(_) | EstadoPago::Anulado(_) => Asiento::SinCobro,
            // The promise of a declined capture is left until the undo.
            EstadoPago::CapturaRechazada(..)
            | EstadoPago::Preparado
            | EstadoPago::CapturaPedida(_)
            | EstadoPago::Autorizado(_)
            | EstadoPago::ReembolsoPedido(_) => Asiento::EnCurso,
        };
        Self {
            asiento,
            contracargo: pago.contracargo.is_some(),
        }
    }
}

impl fmt::Display for Nuestro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.asiento {
            Asiento::EnCurso => f.write_str("en curso"),
            Asiento::Cobrado(dinero) => write!(f, "cobrado {dinero}"),
            Asiento::Devuelto(dinero) => write!(f, "devuelto {dinero}"),
            Asiento::SinCobro => f.write_str("sin cobro"),
        }?;
        f.write_str(if self.contracargo { ", contracargado" } else { "" })
    }
}

// === impl Diferencia ===

impl Diferencia {
    /// Every name.
    pub const ALL: [Self; 6] = [
        Self::SoloEnPasarela,
        Self::SoloAqui,
        Self::OtroMonto,
        Self::OtroEstado,
        Self::CapturadoDosVeces,
        Self::ReembolsadoDeMas,
    ];

    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SoloEnPasarela => "SoloEnPasarela",
            Self::SoloAqui => "SoloAqui",
            Self::OtroMonto => "OtroMonto",
            Self::OtroEstado => "OtroEstado",
            Self::CapturadoDosVeces => "CapturadoDosVeces",
            Self::ReembolsadoDeMas => "ReembolsadoDeMas",
        }
    }
}

/// Compares one payment; either side may know nothing of it.
pub fn comparar(nuestro: Option<&Nuestro>, cuenta: Option<&Cuenta>) -> Vec<Hallazgo> {
    let mut nombres = Vec::new();
    match (nuestro, cuenta) {
        (None, None) => {}
        (None, Some(cuenta)) if cuenta.sin_dinero() => {}
        (None, Some(_)) => nombres.push(Diferencia::SoloEnPasarela),
        (Some(nuestro), None) => match nuestro.asiento {
            Asiento::Cobrado(_) | Asiento::Devuelto(_) => nombres.push(Diferencia::SoloAqui),
            // A decline leaves nothing at the gateway.
            Asiento::EnCurso | Asiento::SinCobro => {}
        },
        (Some(nuestro), Some(cuenta)) => {
            if cuenta.cargos.len() > 1 {
                nombres.push(Diferencia::CapturadoDosVeces);
            } else if otro_monto(nuestro, cuenta) {
                nombres.push(Diferencia::OtroMonto);
            }
            if cuenta.devuelto > cuenta.cobrado() {
                nombres.push(Diferencia::ReembolsadoDeMas);
            } else if otro_estado(nuestro, cuenta) {
                nombres.push(Diferencia::OtroEstado);
            }
        }
    }
    let hallazgo = |nombre| Hallazgo {
        nombre,
        aqui: nuestro.map_or_else(|| "desconocido".to_owned(), ToString::to_string),
        pasarela: cuenta.map_or_else(|| "desconocido".to_owned(), ToString::to_string),
    };
    nombres.into_iter().map(hallazgo).collect()
}

fn otro_monto(nuestro: &Nuestro, cuenta: &Cuenta) -> bool {
    match nuestro.asiento {
        Asiento::Cobrado(dinero) | Asiento::Devuelto(dinero) => cuenta
            .cargos
            .iter()
            .any(|cargo| cargo.minor != dinero.minor() || cargo.moneda != dinero.moneda()),
        Asiento::EnCurso | Asiento::SinCobro => false,
    }
}

fn otro_estado(nuestro: &Nuestro, cuenta: &Cuenta) -> bool {
    let cobrado = !cuenta.cargos.is_empty();
    let abierta = cuenta.promesas_abiertas > 0;
    match nuestro.asiento {
        Asiento::EnCurso => false,
        // Money that a chargeback, or a refund by hand, took back may show as either; as both, the client has it twice.
        Asiento::Cobrado(_) if nuestro.contracargo => {
            let twice = cuenta.contracargada && cuenta.devuelto >= cuenta.cobrado();
            !cobrado || abierta || twice
        }
        Asiento::Cobrado(_) => !cobrado || abierta || cuenta.devuelto > 0 || cuenta.contracargada,
        // Given back and charged back: the client has it twice.
        Asiento::Devuelto(_) => {
            let twice = cuenta.contracargada && !nuestro.contracargo;
            !cobrado || abierta || twice || cuenta.devuelto < cuenta.cobrado()
        }
        Asiento::SinCobro => cobrado || abierta,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(minor: i64) -> Dinero {
        Dinero::from_minor(minor, Moneda::USD).unwrap()
    }

    fn nuestro(asiento: Asiento) -> Nuestro {
        Nuestro {
            asiento,
            contracargo: false,
        }
    }

    fn cuenta(cargos: &[i64], devuelto: i64) -> Cuenta {
        Cuenta {
            cargos: cargos
                .iter()
                .map(|minor| Partida::new("car", *minor, Moneda::USD))
                .collect(),
            devuelto,
            ..Cuenta::vacia("p-1", 0)
        }
    }

    fn nombres(nuestro: Option<&Nuestro>, cuenta: Option<&Cuenta>) -> Vec<Diferencia> {
        comparar(nuestro, cuenta)
            .into_iter()
            .map(|hallazgo| hallazgo.nombre)
            .collect()
    }

    #[test]
    fn books_that_agree_have_no_difference() {
        let open = Cuenta {
            promesas_abiertas: 1,
            ..cuenta(&[], 0)
        };
        for (asiento, cuenta) in [
            (Asiento::Cobrado(usd(2_400)), Some(cuenta(&[2_400], 0))),
            (Asiento::Devuelto(usd(2_400)), Some(cuenta(&[2_400], 2_400))),
            (Asiento::SinCobro, Some(cuenta(&[], 0))),
            (Asiento::SinCobro, None),
            (Asiento::EnCurso, None),
            (Asiento::EnCurso, Some(open)),
            (Asiento::EnCurso, Some(cuenta(&[2_400], 0))),
        ] {
            assert_eq!(
                nombres(Some(&nuestro(asiento)), cuenta.as_ref()),
                [],
                "{asiento:?} {cuenta:?}"
            );
        }
        assert_eq!(nombres(None, Some(&cuenta(&[], 0))), [], "a decline of somebody else's");
        let charged_back = Nuestro {
            contracargo: true,
            ..nuestro(Asiento::Cobrado(usd(2_400)))
        };
        for devuelto in [0, 2_400] {
            assert_eq!(nombres(Some(&charged_back), Some(&cuenta(&[2_400], devuelto))), []);
        }
        let disputed = Cuenta {
            contracargada: true,
            ..cuenta(&[2_400], 0)
        };
        assert_eq!(nombres(Some(&charged_back), Some(&disputed)), []);
    }

    #[test]
    fn each_difference_has_its_name() {
        use Diferencia::{CapturadoDosVeces, OtroEstado, OtroMonto, ReembolsadoDeMas, SoloAqui, SoloEnPasarela};
        let (taken, back) = (Asiento::Cobrado(usd(2_400)), Asiento::Devuelto(usd(2_400)));
        let open = Cuenta {
            promesas_abiertas: 1,
            ..cuenta(&[], 0)
        };
        let disputed = Cuenta {
            contracargada: true,
            ..cuenta(&[2_400], 0)
        };
        let twice = Cuenta {
            contracargada: true,
            ..cuenta(&[2_400], 2_400)
        };
        let euros = Cuenta {
            cargos: vec![Partida::new("car", 2_400, Moneda::parse("EUR").unwrap())],
            ..cuenta(&[], 0)
        };
        for (asiento, cuenta, expected) in [
            (None, Some(cuenta(&[2_400], 0)), SoloEnPasarela),
            (None, Some(open.clone()), SoloEnPasarela),
            (Some(taken), None, SoloAqui),
            (Some(back), None, SoloAqui),
            (Some(taken), Some(cuenta(&[2_300], 0)), OtroMonto),
            (Some(taken), Some(euros), OtroMonto),
            (Some(taken), Some(cuenta(&[], 0)), OtroEstado),
            (Some(taken), Some(cuenta(&[2_400], 100)), OtroEstado),
            (Some(taken), Some(disputed), OtroEstado),
            (Some(back), Some(cuenta(&[2_400], 2_300)), OtroEstado),
            (Some(back), Some(twice.clone()), OtroEstado),
            (Some(Asiento::SinCobro), Some(cuenta(&[2_400], 2_400)), OtroEstado),
            (Some(Asiento::SinCobro), Some(open), OtroEstado),
            (Some(taken), Some(cuenta(&[2_400, 2_400], 0)), CapturadoDosVeces),
            (
                Some(Asiento::EnCurso),
                Some(cuenta(&[2_400, 2_400], 0)),
                CapturadoDosVeces,
            ),
            (Some(back), Some(cuenta(&[2_400], 2_500)), ReembolsadoDeMas),
            (Some(Asiento::EnCurso), Some(cuenta(&[2_400], 2_500)), ReembolsadoDeMas),
        ] {
            let nuestro = asiento.map(nuestro);
            assert_eq!(
                nombres(nuestro.as_ref(), cuenta.as_ref()),
                [expected],
                "{asiento:?} {cuenta:?}"
            );
        }
        let charged_back = Nuestro {
            contracargo: true,
            ..nuestro(taken)
        };
        let found = nombres(Some(&charged_back), Some(&twice));
        assert_eq!(found, [OtroEstado], "given back by hand, and charged back");
    }
}
