//! The state machine: every state under every answer in both directions, as a golden file. `UPDATE_GOLDEN=1` rewrites
//! it. Beside the table, the rules that must hold in every line of it.

use std::path::PathBuf;

use integracion_pagos::domain::{
    Cobro, Contestacion, EstadoPago, IdAutorizacion, IdCargo, IdReembolso, Instante, Llamada, Movimiento,
    NombrePasarela, Operacion, Pago,
};
use seedwork::{Dinero, Direction, IdCorrelacion, MedioPago, Moneda, Outcome, Reason, SolicitudPago};

const CREADO: i64 = 1_000;
const AHORA: Instante = Instante {
    ahora_ms: 2_000,
    vigencia_ms: 60_000,
};

fn dinero(monto: &str) -> Dinero {
    Dinero::parse(monto, Moneda::USD).unwrap()
}

fn cobro(monto: &str) -> Cobro {
    let (autorizacion, cargo) = (autorizacion(), IdCargo::parse("car-1").unwrap());
    Cobro {
        autorizacion,
        cargo,
        dinero: dinero(monto),
    }
}

fn reembolso() -> IdReembolso {
    IdReembolso::parse("ree-1").unwrap()
}

fn autorizacion() -> IdAutorizacion {
    IdAutorizacion::parse("aut-1").unwrap()
}

fn reason(motivo: &str) -> Reason {
    Reason::new(motivo, "…")
}

fn pago(estado: EstadoPago, contracargo: bool) -> Pago {
    let solicitud = SolicitudPago::parse(MedioPago::Pse.as_str(), "c-1", "24.00", Moneda::USD).unwrap();
    let id = IdCorrelacion::parse("p-1").unwrap();
    let pago = Pago {
        estado,
        ..Pago::preparado(id, &solicitud, NombrePasarela::Simulada, CREADO)
    };
    if contracargo {
        pago.con_contracargo("fraude".to_owned(), CREADO)
    } else {
        pago
    }
}

fn estados() -> Vec<EstadoPago> {
    vec![
        EstadoPago::Preparado,
        EstadoPago::CapturaPedida(autorizacion()),
        EstadoPago::Capturado(cobro("24")),
        EstadoPago::Capturado(cobro("23")),
        EstadoPago::Rechazado(reason("FondosInsuficientes")),
        EstadoPago::CapturaRechazada(autorizacion(), reason("PromesaVencida")),
        EstadoPago::Autorizado(autorizacion()),
        EstadoPago::Anulado(autorizacion()),
        EstadoPago::ReembolsoPedido(cobro("24")),
        EstadoPago::ReembolsoPedido(cobro("23")),
        EstadoPago::ReembolsoRechazado(cobro("24"), reason("ReembolsoImposible")),
        EstadoPago::Reembolsado(cobro("24"), reembolso()),
    ]
}

fn contestaciones() -> Vec<(&'static str, Option<Contestacion>)> {
    vec![
        ("-", None),
        ("Autorizada", Some(Contestacion::Autorizada(autorizacion()))),
        ("Capturada", Some(Contestacion::Capturada(cobro("24")))),
        ("Capturada otro monto", Some(Contestacion::Capturada(cobro("23")))),
        ("Anulada", Some(Contestacion::Anulada)),
        ("Reembolsada", Some(Contestacion::Reembolsada(reembolso()))),
        ("Rechazada", Some(Contestacion::Rechazada(reason("Declive")))),
        ("Incierta", Some(Contestacion::Incierta(reason("PasarelaSinRespuesta")))),
    ]
}

/// A state and an answer, and what comes of them.
struct Pair {
    sentido: Direction,
    pago: Pago,
    answer: &'static str,
    movimiento: Option<Movimiento>,
}

impl Pair {
    fn contracargo(&self) -> bool {
        self.pago.contracargo.is_some()
    }
}

impl std::fmt::Display for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let contracargo = if self.contracargo() { "contracargo" } else { "-" };
        let movimiento = describe(self.movimiento.as_ref());
        let estado = name(&self.pago.estado);
        write!(
            f,
            "{:?} | {estado} | {contracargo} | {} | {movimiento}",
            self.sentido, self.answer
        )
    }
}

fn every_pair(instante: Instante) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for sentido in [Direction::Do, Direction::Undo] {
        for contracargo in [false, true] {
            for estado in estados() {
                for (answer, contestacion) in contestaciones() {
                    let pago = pago(estado.clone(), contracargo);
                    let movimiento = pago.avanzar(sentido, contestacion, instante).ok();
                    pairs.push(Pair {
                        sentido,
                        pago,
                        answer,
                        movimiento,
                    });
                }
            }
        }
    }
    pairs
}

/// The variant's name, and the amount where it is not the one that was asked for.
fn name(estado: &EstadoPago) -> String {
    let text = format!("{estado:?}");
    let variant = text.split('(').next().unwrap_or_default();
    match estado.cobro() {
        Some(cobro) if cobro.dinero != dinero("24") => format!("{variant} {}", cobro.dinero),
        Some(_) | None => variant.to_owned(),
    }
}

fn describe(movimiento: Option<&Movimiento>) -> String {
    match movimiento {
        None => "(cannot occur)".to_owned(),
        Some(Movimiento::Llamar(Llamada::Reembolsar { dinero, .. })) => format!("call reembolsar {dinero}"),
        Some(Movimiento::Llamar(llamada)) => format!("call {}", llamada.operacion()),
        Some(Movimiento::Registrar(pago)) => format!("record {}", name(&pago.estado)),
        Some(Movimiento::Esperar(reason)) => format!("wait: {}", reason.motivo),
        Some(Movimiento::Terminar(pago, outcome)) => {
            let outcome = match outcome {
                Outcome::Done => "Done".to_owned(),
                Outcome::Refused(reason) => format!("Refused: {}", reason.motivo),
                Outcome::Failed(reason) => format!("Failed: {}", reason.motivo),
            };
            format!("end {}, {outcome}", name(&pago.estado))
        }
    }
}

#[test]
fn the_transition_table_is_the_golden_one() {
    let mut table = String::from("# direction | state | chargeback | answer | move\n");
    for pair in every_pair(AHORA) {
        table.push_str(&format!("{pair}\n"));
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/pagos/transiciones.golden");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    for (number, (is, should_be)) in table.lines().zip(golden.lines()).enumerate() {
        assert_eq!(is, should_be, "line {}; UPDATE_GOLDEN=1 rewrites the table", number + 1);
    }
    assert_eq!(table.lines().count(), golden.lines().count());
}

/// The pairs that a rule is about; there are some.
fn pairs_that(are: impl Fn(&Pair) -> bool) -> Vec<Pair> {
    let pairs: Vec<_> = every_pair(AHORA).into_iter().filter(are).collect();
    assert!(!pairs.is_empty(), "a rule about nothing");
    pairs
}

#[test]
fn silence_ends_nothing_and_records_nothing() {
    for pair in pairs_that(|pair| pair.answer == "Incierta") {
        assert!(matches!(pair.movimiento, None | Some(Movimiento::Esperar(_))), "{pair}");
    }
}

#[test]
fn a_capture_is_only_ever_called_from_its_own_record() {
    let captures = |pair: &Pair| matches!(pair.movimiento, Some(Movimiento::Llamar(Llamada::Capturar { .. })));
    for pair in pairs_that(captures) {
        assert!(matches!(pair.pago.estado, EstadoPago::CapturaPedida(_)), "{pair}");
    }
}

#[test]
fn money_charged_back_is_not_refunded_unless_the_refund_was_ordered_first() {
    let refunds = |pair: &Pair| match &pair.movimiento {
        Some(Movimiento::Llamar(llamada)) => llamada.operacion() == Operacion::Reembolsar,
        Some(Movimiento::Registrar(pago)) => matches!(pago.estado, EstadoPago::ReembolsoPedido(_)),
        Some(Movimiento::Terminar(..) | Movimiento::Esperar(_)) | None => false,
    };
    for pair in pairs_that(refunds) {
        let ordered = matches!(pair.pago.estado, EstadoPago::ReembolsoPedido(_));
        assert!(!pair.contracargo() || ordered, "{pair}");
    }
}

#[test]
fn only_a_definite_decline_refuses_a_payment() {
    for pair in pairs_that(|pair| matches!(pair.movimiento, Some(Movimiento::Terminar(_, Outcome::Refused(_))))) {
        if let Some(Movimiento::Terminar(_, Outcome::Refused(reason))) = &pair.movimiento {
            let declined = pair.answer == "Rechazada";
            let other = matches!(reason.motivo.as_str(), "MontoDistinto" | "Contracargo");
            assert!(pair.sentido == Direction::Do && (declined || other), "{pair}");
        }
    }
}

#[test]
fn past_the_life_of_the_keys_nothing_is_called() {
    let late = Instante {
        ahora_ms: CREADO + 60_000,
        ..AHORA
    };
    for pair in every_pair(late) {
        assert!(!matches!(pair.movimiento, Some(Movimiento::Llamar(_))), "{pair}");
    }
    let waits = |sentido, estado| match pago(estado, false).avanzar(sentido, None, late) {
        Ok(Movimiento::Esperar(reason)) => reason.motivo,
        other => panic!("{other:?}"),
    };
    assert_eq!(waits(Direction::Do, EstadoPago::Preparado), "RequiereConciliacion");
    let capture = EstadoPago::CapturaPedida(autorizacion());
    assert_eq!(waits(Direction::Undo, capture), "RequiereConciliacion");
    let refused = EstadoPago::ReembolsoRechazado(cobro("24"), reason("ReembolsoImposible"));
    assert_eq!(
        waits(Direction::Undo, refused),
        "ReembolsoImposible",
        "this much is known"
    );
    let ordered = EstadoPago::ReembolsoPedido(cobro("24"));
    assert_eq!(waits(Direction::Undo, ordered), "RequiereConciliacion");
}

#[test]
fn a_refund_past_the_life_of_its_key_ends_when_the_money_is_back_by_another_way() {
    let ordered = pago(EstadoPago::ReembolsoPedido(cobro("24")), true);
    let undo = |ahora_ms| {
        ordered
            .avanzar(Direction::Undo, None, Instante { ahora_ms, ..AHORA })
            .unwrap()
    };
    let calls = undo(CREADO + 59_999);
    assert!(
        matches!(calls, Movimiento::Llamar(_)),
        "until then the repeat finds out: {calls:?}"
    );
    let Movimiento::Terminar(ended, Outcome::Done) = undo(CREADO + 60_000) else {
        panic!("it can neither be repeated nor has to be");
    };
    assert_eq!(ended.estado, EstadoPago::Capturado(cobro("24")));
}

#[test]
fn a_key_that_was_never_used_lives_from_its_record_on() {
    let days_later = Instante {
        ahora_ms: 1_000_000,
        ..AHORA
    };
    let taken = pago(EstadoPago::Capturado(cobro("24")), false);
    let Ok(Movimiento::Registrar(ordered)) = taken.avanzar(Direction::Undo, None, days_later) else {
        panic!("a refund is recorded first");
    };
    assert_eq!(ordered.llamada_ms, 1_000_000);
    let next = |ahora_ms| {
        ordered
            .avanzar(Direction::Undo, None, Instante { ahora_ms, ..AHORA })
            .unwrap()
    };
    assert!(matches!(next(1_059_999), Movimiento::Llamar(_)));
    assert!(matches!(next(1_060_000), Movimiento::Esperar(_)));
}

#[test]
fn the_first_chargeback_stays() {
    let pago = pago(EstadoPago::Preparado, true).con_contracargo("otro".to_owned(), 9);
    assert_eq!(pago.contracargo.unwrap().motivo, "fraude");
}

#[test]
fn a_payment_shows_where_it_stands() {
    let mut seen = Vec::new();
    for estado in estados() {
        for contracargo in [false, true] {
            let pago = pago(estado.clone(), contracargo);
            let (visible, motivo) = (
                pago.visible().as_str(),
                pago.motivo().map_or("-".to_owned(), |r| r.motivo),
            );
            let discrepancia = pago.discrepancia().map_or("-", |discrepancia| discrepancia.as_str());
            let contracargo = if contracargo { " + contracargo" } else { "" };
            seen.push(format!(
                "{}{contracargo}: {visible} {motivo} {discrepancia}",
                name(&estado)
            ));
        }
    }
    let expected = [
        "Preparado: EN_PROCESO - -",
        "Preparado + contracargo: EN_PROCESO - ContracargoSinCobro",
        "CapturaPedida: EN_PROCESO - -",
        "CapturaPedida + contracargo: EN_PROCESO - -",
        "Capturado: CONFIRMADO - -",
        "Capturado + contracargo: CONTRACARGADO - -",
        "Capturado 23.00 USD: EN_PROCESO MontoDistinto -",
        "Capturado 23.00 USD + contracargo: CONTRACARGADO MontoDistinto -",
        "Rechazado: RECHAZADO FondosInsuficientes -",
        "Rechazado + contracargo: RECHAZADO FondosInsuficientes ContracargoSinCobro",
        "CapturaRechazada: RECHAZADO PromesaVencida -",
        "CapturaRechazada + contracargo: RECHAZADO PromesaVencida ContracargoSinCobro",
        "Autorizado: EN_PROCESO - -",
        "Autorizado + contracargo: EN_PROCESO - ContracargoSinCobro",
        "Anulado: ANULADO - -",
        "Anulado + contracargo: ANULADO - ContracargoSinCobro",
        "ReembolsoPedido: EN_PROCESO - -",
        "ReembolsoPedido + contracargo: EN_PROCESO - -",
        "ReembolsoPedido 23.00 USD: EN_PROCESO - -",
        "ReembolsoPedido 23.00 USD + contracargo: EN_PROCESO - -",
        "ReembolsoRechazado: EN_PROCESO ReembolsoImposible -",
        "ReembolsoRechazado + contracargo: CONTRACARGADO ReembolsoImposible -",
        "Reembolsado: REEMBOLSADO - -",
        "Reembolsado + contracargo: REEMBOLSADO - ContracargoSobreReembolso",
    ];
    assert_eq!(seen, expected);
}
