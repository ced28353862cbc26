//! The contract of a gateway, run against the in-memory double, the simulator's real process, and Stripe's adapter over
//! a Stripe that keeps books. What our state
//! machine relies on, no more.

use std::cell::Cell;
use std::collections::BTreeMap;

use integracion_pagos::adapters::pasarela::{Pasarela, PasarelaMemoria, Respuesta};
use integracion_pagos::domain::conciliacion::Cuenta;
use integracion_pagos::domain::{Cobro, IdAutorizacion, IdReembolso, Operacion};
use seedwork::{IdCorrelacion, MedioPago, Moneda};
use seedwork_runtime::participant::laws::eventually;

use crate::banco::{Banco, Proceso, done, usd};
use crate::servicio::id;
use crate::stripe::Doble;

use Operacion::{Anular, Autorizar, Capturar, Reembolsar};

/// The whole suite.
async fn contract(banco: &dyn Banco) {
    a_payment_moves_money_once_however_often_it_is_asked(banco).await;
    a_decline_is_definite_and_moves_nothing(banco).await;
    silence_is_never_a_refusal_and_a_repeat_finds_out(banco).await;
    another_amount_is_answered_as_it_was_taken(banco).await;
    what_is_voided_cannot_be_captured_nor_the_other_way_round(banco).await;
    more_than_was_promised_or_taken_is_refused(banco).await;
    an_impossible_refund_is_refused_each_time(banco).await;
    the_same_key_for_another_call_is_no_refusal_and_moves_nothing(banco).await;
    its_books_say_where_the_money_is(banco).await;
}

#[tokio::test]
async fn the_double_keeps_the_contract() {
    contract(&PasarelaMemoria::default()).await;
}

#[tokio::test]
async fn the_simulator_keeps_the_contract() {
    contract(&Proceso::start()).await;
}

#[tokio::test]
async fn stripe_keeps_the_contract() {
    contract(&Doble::start().await).await;
}

#[tokio::test]
async fn a_gateway_that_is_gone_is_an_unknown_outcome() {
    let mut proceso = Proceso::start();
    proceso.kill();
    let answer = proceso
        .pasarela()
        .autorizar(&id("gone"), MedioPago::Pse, usd(2_400))
        .await;
    assert!(matches!(answer, Respuesta::Incierto(reason) if reason.motivo == "PasarelaSinRespuesta"));
}

fn refused<T: std::fmt::Debug>(answer: Respuesta<T>) -> String {
    match answer {
        Respuesta::Rechazado(reason) => reason.motivo,
        other @ (Respuesta::Hecho(_) | Respuesta::Incierto(_)) => panic!("not refused: {other:?}"),
    }
}

/// Repeats a call until it is definite; also says how often it was not. A refusal on the way is a failure.
async fn find_out<T: std::fmt::Debug, F: Future<Output = Respuesta<T>>>(mut call: impl FnMut() -> F) -> (T, u32) {
    let unknown = Cell::new(0);
    let value = eventually("a definite answer", || {
        let (answer, unknown) = (call(), &unknown);
        async move {
            match answer.await {
                Respuesta::Hecho(value) => Some(value),
                Respuesta::Incierto(_) => {
                    unknown.set(unknown.get() + 1);
                    None
                }
                Respuesta::Rechazado(reason) => panic!("silence was taken for a no: {reason}"),
            }
        }
    })
    .await;
    (value, unknown.get())
}

async fn authorise(banco: &dyn Banco, id: &IdCorrelacion, minor: i64) -> IdAutorizacion {
    done(
        banco
            .pasarela()
            .autorizar(id, MedioPago::TarjetaCredito, usd(minor))
            .await,
    )
}

async fn a_payment_moves_money_once_however_often_it_is_asked(banco: &dyn Banco) {
    let (pasarela, id) = (banco.pasarela(), id("once"));
    let mut answers: Vec<(IdAutorizacion, Cobro, IdReembolso)> = Vec::new();
    for _ in 0..3 {
        let autorizacion = authorise(banco, &id, 2_400).await;
        let cobro = done(pasarela.capturar(&id, &autorizacion, usd(2_400)).await);
        let reembolso = done(pasarela.reembolsar(&id, &cobro.cargo, usd(2_400)).await);
        assert_eq!(cobro.dinero, usd(2_400));
        answers.push((autorizacion, cobro, reembolso));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "a repeat gets the first answer");
    let once = [(Autorizar, 2_400), (Capturar, 2_400), (Reembolsar, 2_400)];
    assert_eq!(banco.movimientos(&id).await, once);
}

async fn a_decline_is_definite_and_moves_nothing(banco: &dyn Banco) {
    let declines = [
        (1, "FondosInsuficientes"),
        (2, "TarjetaRechazada"),
        (3, "TarjetaVencida"),
        (4, "TarjetaRobada"),
    ];
    for (ending, codigo) in declines {
        let id = id(&format!("decline-{ending}"));
        for _ in 0..2 {
            let answer = banco
                .pasarela()
                .autorizar(&id, MedioPago::TarjetaDebito, usd(2_400 + ending))
                .await;
            assert_eq!(refused(answer), codigo);
        }
        assert_eq!(banco.movimientos(&id).await, []);
    }
}

async fn silence_is_never_a_refusal_and_a_repeat_finds_out(banco: &dyn Banco) {
    let pasarela = banco.pasarela();
    // Ending, and which of authorise, capture, refund must have been silent.
    for (ending, silent) in [
        (11, [true, false, false]),
        (12, [false, true, false]),
        (13, [false, true, false]),
        (14, [true, false, false]),
        (16, [true, true, true]),
        (17, [false, true, false]),
        (19, [false, false, true]),
        (20, [false, true, false]),
    ] {
        let (id, amount) = (id(&format!("silent-{ending}")), usd(2_400 + ending));
        let (autorizacion, first) = find_out(|| pasarela.autorizar(&id, MedioPago::Pse, amount)).await;
        let (cobro, second) = find_out(|| pasarela.capturar(&id, &autorizacion, amount)).await;
        let (_, third) = find_out(|| pasarela.reembolsar(&id, &cobro.cargo, amount)).await;
        assert_eq!([first > 0, second > 0, third > 0], silent, "ending {ending}");
        let minor = amount.minor();
        let once = [(Autorizar, minor), (Capturar, minor), (Reembolsar, minor)];
        assert_eq!(banco.movimientos(&id).await, once, "ending {ending}");
    }
    let id = id("silent-void");
    let (autorizacion, _) = find_out(|| pasarela.autorizar(&id, MedioPago::Pse, usd(2_416))).await;
    let ((), unknown) = find_out(|| pasarela.anular(&id, &autorizacion)).await;
    assert!(unknown > 0);
    assert_eq!(banco.movimientos(&id).await, [(Autorizar, 2_416), (Anular, 2_416)]);
}

async fn another_amount_is_answered_as_it_was_taken(banco: &dyn Banco) {
    let id = id("wrong");
    let autorizacion = authorise(banco, &id, 2_418).await;
    let cobro = done(banco.pasarela().capturar(&id, &autorizacion, usd(2_418)).await);
    assert_eq!(cobro.dinero, usd(2_318));
    assert_eq!(banco.movimientos(&id).await, [(Autorizar, 2_418), (Capturar, 2_318)]);
}

async fn what_is_voided_cannot_be_captured_nor_the_other_way_round(banco: &dyn Banco) {
    let pasarela = banco.pasarela();
    let voided = id("voided");
    let autorizacion = authorise(banco, &voided, 2_400).await;
    for _ in 0..2 {
        done(pasarela.anular(&voided, &autorizacion).await);
    }
    assert_eq!(
        refused(pasarela.capturar(&voided, &autorizacion, usd(2_400)).await),
        "AutorizacionAnulada"
    );
    assert_eq!(banco.movimientos(&voided).await, [(Autorizar, 2_400), (Anular, 2_400)]);

    let captured = id("captured");
    let autorizacion = authorise(banco, &captured, 2_400).await;
    done(pasarela.capturar(&captured, &autorizacion, usd(2_400)).await);
    assert_eq!(
        refused(pasarela.anular(&captured, &autorizacion).await),
        "AutorizacionCapturada"
    );
}

async fn more_than_was_promised_or_taken_is_refused(banco: &dyn Banco) {
    let (pasarela, more) = (banco.pasarela(), id("more"));
    let autorizacion = authorise(banco, &more, 2_400).await;
    assert_eq!(
        refused(pasarela.capturar(&more, &autorizacion, usd(2_500)).await),
        "CapturaExcedida"
    );

    let refund = id("more-back");
    let autorizacion = authorise(banco, &refund, 2_400).await;
    let cobro = done(pasarela.capturar(&refund, &autorizacion, usd(2_400)).await);
    assert_eq!(
        refused(pasarela.reembolsar(&refund, &cobro.cargo, usd(2_500)).await),
        "ReembolsoExcedido"
    );
    assert_eq!(
        banco.movimientos(&refund).await,
        [(Autorizar, 2_400), (Capturar, 2_400)]
    );
}

async fn an_impossible_refund_is_refused_each_time(banco: &dyn Banco) {
    let (pasarela, id) = (banco.pasarela(), id("impossible"));
    let autorizacion = authorise(banco, &id, 2_421).await;
    let cobro = done(pasarela.capturar(&id, &autorizacion, usd(2_421)).await);
    for _ in 0..2 {
        assert_eq!(
            refused(pasarela.reembolsar(&id, &cobro.cargo, usd(2_421)).await),
            "ReembolsoImposible"
        );
    }
    assert_eq!(banco.movimientos(&id).await, [(Autorizar, 2_421), (Capturar, 2_421)]);
}

async fn the_same_key_for_another_call_is_no_refusal_and_moves_nothing(banco: &dyn Banco) {
    let (pasarela, id) = (banco.pasarela(), id("another"));
    let autorizacion = authorise(banco, &id, 2_400).await;
    let Cobro { cargo, .. } = done(pasarela.capturar(&id, &autorizacion, usd(2_400)).await);
    let again = pasarela.capturar(&id, &autorizacion, usd(2_300)).await;
    assert!(matches!(again, Respuesta::Incierto(_)), "{again:?}");
    done(pasarela.reembolsar(&id, &cargo, usd(2_400)).await);
    let again = pasarela.reembolsar(&id, &cargo, usd(100)).await;
    assert!(matches!(again, Respuesta::Incierto(_)), "{again:?}");
    let once = [(Autorizar, 2_400), (Capturar, 2_400), (Reembolsar, 2_400)];
    assert_eq!(banco.movimientos(&id).await, once);
}

async fn its_books_say_where_the_money_is(banco: &dyn Banco) {
    let pasarela = banco.pasarela();
    let promise = authorise(banco, &id("books-void"), 2_400).await;
    authorise(banco, &id("books-open"), 2_400).await;
    done(pasarela.anular(&id("books-void"), &promise).await);
    for (name, back) in [("books-taken", false), ("books-back", true)] {
        let autorizacion = authorise(banco, &id(name), 2_400).await;
        let cobro = done(pasarela.capturar(&id(name), &autorizacion, usd(2_400)).await);
        if back {
            done(pasarela.reembolsar(&id(name), &cobro.cargo, usd(2_400)).await);
        }
    }
    let books = read_books(pasarela).await;
    for (name, open, taken, back) in [
        ("books-void", 0, vec![], 0),
        ("books-open", 1, vec![], 0),
        ("books-taken", 0, vec![2_400], 0),
        ("books-back", 0, vec![2_400], 2_400),
    ] {
        let cuenta = &books[name];
        let charges: Vec<i64> = cuenta.cargos.iter().map(|cargo| cargo.minor).collect();
        assert_eq!(
            (cuenta.promesas_abiertas, charges, cuenta.devuelto),
            (open, taken, back),
            "{name}"
        );
        assert!(cuenta.cargos.iter().all(|cargo| cargo.moneda == Moneda::USD));
    }
    assert!(!books.contains_key("decline-1") || books["decline-1"].cargos.is_empty());
}

/// All pages of a gateway's books, by reference.
async fn read_books(pasarela: &dyn Pasarela) -> BTreeMap<String, Cuenta> {
    let mut books: BTreeMap<String, Cuenta> = BTreeMap::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = pasarela.cuentas(0, cursor.as_deref()).await.unwrap();
        for cuenta in page.cuentas {
            match books.get_mut(&cuenta.referencia) {
                Some(known) => known.unir(cuenta),
                None => drop(books.insert(cuenta.referencia.clone(), cuenta)),
            }
        }
        cursor = page.siguiente;
        if cursor.is_none() {
            return books;
        }
    }
}
