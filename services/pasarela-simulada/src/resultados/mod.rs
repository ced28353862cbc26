//! The outcome table: what the gateway does with a payment, chosen by its amount or by its test token.

mod tabla;

pub(crate) use tabla::tabla_json;
pub use tabla::{Fila, TABLA, tabla_markdown, tabla_mensajes_markdown};

use crate::{
    ejecucion::{Entrega, Omision},
    resultados::{Operacion::*, Resultado::*},
};

/// A row of the outcome table, chosen when a payment is authorised and followed by everything done to it later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resultado {
    /// Approved.
    Aprobada,
    /// Soft decline.
    FondosInsuficientes,
    /// Hard decline.
    TarjetaRechazada,
    /// Hard decline.
    TarjetaVencida,
    /// Hard decline.
    TarjetaRobada,
    /// Approved; goes with a refused mail.
    CorreoRechazado,
    /// Approved; goes with a client whom no message reaches.
    MensajesRechazados,
    /// The first authorisation is lost before it is recorded.
    AutorizacionPerdida,
    /// The first capture is recorded and not answered.
    CapturaSinRespuesta,
    /// The first capture is recorded and answered 500.
    CapturaConError,
    /// The first authorisation is recorded and not answered.
    AutorizacionSinRespuesta,
    /// Every answer is slow.
    Lenta,
    /// The first two calls of each operation are answered 503.
    Intermitente,
    /// The first capture is recorded late and not answered.
    CapturaTardia,
    /// The capture takes the wrong amount.
    MontoErroneo,
    /// The first refund is recorded and not answered.
    ReembolsoSinRespuesta,
    /// The first two captures are lost before they are recorded.
    CapturaPerdida,
    /// Refunds are refused for ever.
    ReembolsoImposible,
}

/// Which call is being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operacion {
    Autorizacion,
    Captura,
    Anulacion,
    Reembolso,
}

/// What the table says about one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Efecto {
    /// Do it, recording `descuento` minor units less than asked, and answer that way.
    Hacer { entrega: Entrega, descuento: i64 },
    /// Record nothing and answer that way.
    Omitir(Omision),
    /// Record it later and never answer this call.
    Aplazar,
    /// A definite decline; `suave` ones may succeed another day.
    Declinar { mensaje: &'static str, suave: bool },
    /// A definite refusal to give money back.
    NoReembolsar,
}

// === impl Resultado ===

impl Resultado {
    /// The row for a payment: its test token if it has one, else its amount.
    pub(crate) fn elegir(monto: i64, ficha: Option<&str>) -> Self {
        TABLA
            .iter()
            .find(|fila| match ficha {
                Some(ficha) => fila.ficha == ficha,
                None => i64::from(fila.terminacion) == monto % 100,
            })
            .map_or(Aprobada, |fila| fila.resultado)
    }

    /// Whether `ficha` is in the table.
    pub(crate) fn conoce(ficha: &str) -> bool {
        TABLA.iter().any(|fila| fila.ficha == ficha)
    }

    /// The row named `nombre`, as it was stored.
    pub(crate) fn por_nombre(nombre: &str) -> Option<Self> {
        TABLA
            .iter()
            .find(|fila| fila.nombre == nombre)
            .map(|fila| fila.resultado)
    }

    pub(crate) fn nombre(self) -> &'static str {
        TABLA
            .iter()
            .find(|fila| fila.resultado == self)
            .map_or("", |fila| fila.nombre)
    }

    /// What to do with a call of `operacion` that was asked for `previas` times before.
    pub(crate) fn efecto(self, operacion: Operacion, previas: i64) -> Efecto {
        let normal = hacer(Entrega::Contestar);
        let la_primera = |efecto| if previas == 0 { efecto } else { normal };
        let las_dos_primeras = |efecto| if previas < 2 { efecto } else { normal };
        match (self, operacion) {
            (FondosInsuficientes, Autorizacion) => declinar("Fondos insuficientes", true),
            (TarjetaRechazada, Autorizacion) => declinar("Tarjeta rechazada por el banco emisor", false),
            (TarjetaVencida, Autorizacion) => declinar("Tarjeta vencida", false),
            (TarjetaRobada, Autorizacion) => declinar("Tarjeta reportada como robada", false),
            (AutorizacionPerdida, Autorizacion) => la_primera(Efecto::Omitir(Omision::Callar)),
            (CapturaSinRespuesta, Captura)
            | (AutorizacionSinRespuesta, Autorizacion)
            | (ReembolsoSinRespuesta, Reembolso) => la_primera(hacer(Entrega::Callar)),
            (CapturaConError, Captura) => la_primera(hacer(Entrega::Error)),
            (Lenta, _) => hacer(Entrega::Lenta),
            (Intermitente, _) => las_dos_primeras(Efecto::Omitir(Omision::NoDisponible)),
            (CapturaTardia, Captura) => la_primera(Efecto::Aplazar),
            (MontoErroneo, Captura) => Efecto::Hacer {
                entrega: Entrega::Contestar,
                descuento: 100,
            },
            (CapturaPerdida, Captura) => las_dos_primeras(Efecto::Omitir(Omision::Callar)),
            (ReembolsoImposible, Reembolso) => Efecto::NoReembolsar,
            (_, Autorizacion | Captura | Anulacion | Reembolso) => normal,
        }
    }
}

const fn hacer(entrega: Entrega) -> Efecto {
    Efecto::Hacer { entrega, descuento: 0 }
}

const fn declinar(mensaje: &'static str, suave: bool) -> Efecto {
    Efecto::Declinar { mensaje, suave }
}

// === impl Operacion ===

impl Operacion {
    pub(crate) fn nombre(self) -> &'static str {
        match self {
            Autorizacion => "autorizacion",
            Captura => "captura",
            Anulacion => "anulacion",
            Reembolso => "reembolso",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_by_its_amount_its_token_and_its_name() {
        for fila in TABLA {
            assert_eq!(
                Resultado::elegir(2_400 + i64::from(fila.terminacion), None),
                fila.resultado
            );
            assert_eq!(Resultado::elegir(2_402, Some(fila.ficha)), fila.resultado);
            assert_eq!(Resultado::por_nombre(fila.nombre), Some(fila.resultado));
            assert_eq!(fila.resultado.nombre(), fila.nombre);
        }
    }

    #[test]
    fn an_ending_that_is_not_listed_is_approved() {
        for terminacion in (0..100).filter(|ending| TABLA.iter().all(|fila| i64::from(fila.terminacion) != *ending)) {
            assert_eq!(Resultado::elegir(2_400 + terminacion, None), Aprobada);
        }
    }
}
