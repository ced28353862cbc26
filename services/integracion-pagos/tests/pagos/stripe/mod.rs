//! Stripe: what only Stripe does, over a Stripe that keeps books, and the validity of every request, before Stripe's own
//! stripe-mock.

mod doble;
mod libro;
mod mock;
mod saga;

use integracion_pagos::adapters::pasarela::{Pasarela, Respuesta};
use integracion_pagos::domain::{Cobro, IdAutorizacion, Operacion};
use seedwork::{Dinero, IdCorrelacion, MedioPago, Moneda};

use crate::banco::{Banco as _, done, usd};
use crate::servicio::id;
pub(crate) use doble::Doble;

use Operacion::{Anular, Autorizar, Capturar, Reembolsar};

fn unknown<T: std::fmt::Debug>(answer: &Respuesta<T>) -> bool {
    matches!(answer, Respuesta::Incierto(_))
}

async fn authorise(pasarela: &dyn Pasarela, id: &IdCorrelacion) -> Respuesta<IdAutorizacion> {
    pasarela.autorizar(id, MedioPago::TarjetaCredito, usd(2_400)).await
}

async fn captured(doble: &Doble, id: &IdCorrelacion) -> Cobro {
    let autorizacion = done(authorise(doble.pasarela(), id).await);
    done(doble.pasarela().capturar(id, &autorizacion, usd(2_400)).await)
}

#[tokio::test]
async fn a_500_that_stripe_has_stored_is_looked_into_and_proves_presence_only() {
    let doble = Doble::start().await;
    for (name, done_before) in [("done", true), ("lost", false)] {
        let id = id(name);
        doble.break_next(Autorizar, done_before);
        assert!(
            unknown(&authorise(doble.pasarela(), &id).await),
            "{name}: a first 500 decides nothing"
        );
        let again = authorise(doble.pasarela(), &id).await;
        if done_before {
            done(again);
            assert_eq!(doble.movimientos(&id).await, [(Autorizar, 2_400)]);
        } else {
            assert!(unknown(&again), "what is not found is not proven absent: {again:?}");
            assert_eq!(doble.movimientos(&id).await, []);
        }
    }

    let id = id("all");
    let autorizacion = done(authorise(doble.pasarela(), &id).await);
    doble.break_next(Capturar, true);
    assert!(unknown(
        &doble.pasarela().capturar(&id, &autorizacion, usd(2_400)).await
    ));
    let cobro = done(doble.pasarela().capturar(&id, &autorizacion, usd(2_400)).await);
    assert_eq!(cobro.dinero, usd(2_400));
    doble.break_next(Reembolsar, true);
    assert!(unknown(
        &doble.pasarela().reembolsar(&id, &cobro.cargo, usd(2_400)).await
    ));
    done(doble.pasarela().reembolsar(&id, &cobro.cargo, usd(2_400)).await);
    let once = [(Autorizar, 2_400), (Capturar, 2_400), (Reembolsar, 2_400)];
    assert_eq!(doble.movimientos(&id).await, once);
}

#[tokio::test]
async fn a_stored_500_of_what_was_not_done_is_never_taken_for_done_or_refused() {
    let doble = Doble::start().await;
    let id = id("p-1");
    let autorizacion = done(authorise(doble.pasarela(), &id).await);
    for operacion in [Capturar, Anular] {
        doble.break_next(operacion, false);
        for _ in 0..2 {
            let answer = match operacion {
                Capturar => unknown(&doble.pasarela().capturar(&id, &autorizacion, usd(2_400)).await),
                Autorizar | Anular | Reembolsar => unknown(&doble.pasarela().anular(&id, &autorizacion).await),
            };
            assert!(answer, "{operacion}");
        }
    }
    assert_eq!(doble.movimientos(&id).await, [(Autorizar, 2_400)]);
}

#[tokio::test]
async fn another_means_of_payment_in_between_finds_the_promise_that_was_made() {
    let doble = Doble::start().await;
    let id = id("p-1");
    let first = done(authorise(doble.pasarela(), &id).await);
    let again = done(authorise(&doble.with_method("pm_card_mastercard"), &id).await);
    assert_eq!(first, again);
    assert_eq!(doble.movimientos(&id).await, [(Autorizar, 2_400)]);
}

#[tokio::test]
async fn a_means_that_is_gone_in_between_finds_the_promise_that_was_made() {
    let doble = Doble::start().await;
    let id = id("p-1");
    let first = done(doble.pasarela().autorizar(&id, MedioPago::Pse, usd(2_400)).await);
    let gone = doble.without_pse();
    assert_eq!(done(gone.autorizar(&id, MedioPago::Pse, usd(2_400)).await), first);
    let never = gone
        .autorizar(&crate::servicio::id("p-2"), MedioPago::Pse, usd(2_400))
        .await;
    assert!(matches!(never, Respuesta::Rechazado(reason) if reason.motivo == "MedioPagoNoSoportado"));
}

#[tokio::test]
async fn what_a_person_did_at_stripe_is_found_as_it_is() {
    let doble = Doble::start().await;
    let taken = id("taken");
    let autorizacion = done(authorise(doble.pasarela(), &taken).await);
    doble.by_hand(autorizacion.as_str(), "succeeded");
    let cobro = done(doble.pasarela().capturar(&taken, &autorizacion, usd(2_400)).await);
    assert_eq!((cobro.autorizacion, cobro.dinero), (autorizacion, usd(2_400)));

    let voided = id("voided");
    let autorizacion = done(authorise(doble.pasarela(), &voided).await);
    doble.by_hand(autorizacion.as_str(), "canceled");
    done(doble.pasarela().anular(&voided, &autorizacion).await);
}

#[tokio::test]
async fn an_amount_that_stripe_cannot_take_exactly_is_refused_without_a_call() {
    let doble = Doble::start().await;
    let kuwait = Dinero::parse("5.124", Moneda::parse("KWD").unwrap()).unwrap();
    let answer = doble
        .pasarela()
        .autorizar(&id("p-1"), MedioPago::TarjetaCredito, kuwait)
        .await;
    assert!(matches!(answer, Respuesta::Rechazado(reason) if reason.motivo == "MontoNoSoportado"));
    assert_eq!(doble.calls(), 0);
}

#[tokio::test]
async fn a_payment_that_only_stripe_can_name_is_found_there() {
    let doble = Doble::start().await;
    let cobro = captured(&doble, &id("p-1")).await;
    let stripe = doble.stripe();
    assert_eq!(
        stripe.pago_de(cobro.autorizacion.as_str()).await.unwrap(),
        Some(id("p-1"))
    );
    assert_eq!(stripe.pago_de("pi_unknown").await.unwrap(), None);
}
