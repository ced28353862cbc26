//! `GET /stream`.

use std::time::Duration;

use bff::Pace;
use futures::StreamExt as _;
use seedwork::{Message, Reason};

use crate::support::{Bff, Database, calm, completed, news, next, running};

fn event(numero: u64, id: &str, secuencia: u64) -> (String, String, u64) {
    (numero.to_string(), id.to_owned(), secuencia)
}

#[tokio::test]
async fn every_client_gets_every_event_from_when_it_came() {
    let bff = Bff::start().await;
    bff.tell(&running("p-1", 1)).await;
    let mut first = bff.stream("/stream", None).await;
    let mut second = bff.stream("/stream", None).await;
    bff.tell(&running("p-1", 2)).await;
    bff.tell(&running("p-2", 1)).await;
    let mut third = bff.stream("/stream", None).await;
    bff.tell(&completed("p-1", 3)).await;
    let all = [event(2, "p-1", 2), event(3, "p-2", 1), event(4, "p-1", 3)];
    assert_eq!(news(&mut first, 3).await, all);
    assert_eq!(news(&mut second, 3).await, all);
    assert_eq!(news(&mut third, 1).await, all[2..]);
}

#[tokio::test]
async fn the_data_of_an_event_is_the_payment_as_it_was_told() {
    let bff = Bff::start().await;
    let mut stream = bff.stream("/stream", None).await;
    let estado = completed("p-1", 3);
    bff.tell(&estado).await;
    let sse = next(&mut stream).await;
    assert_eq!(serde_json::from_str::<seedwork::EstadoPago>(&sse.data).unwrap(), estado);
}

#[tokio::test]
async fn a_client_that_comes_back_misses_nothing_and_sees_nothing_twice() {
    let bff = Bff::start().await;
    for n in 1..=450 {
        bff.tell(&running("p-1", n)).await;
    }
    // More than one page of the table behind, and going on while it is read.
    let mut stream = bff.stream("/stream", Some("7")).await;
    bff.tell(&running("p-1", 451)).await;
    let expected: Vec<_> = (8..=451).map(|n| event(n, "p-1", n)).collect();
    assert_eq!(news(&mut stream, expected.len()).await, expected);
    bff.tell(&running("p-1", 452)).await;
    assert_eq!(news(&mut stream, 1).await, [event(452, "p-1", 452)]);

    let mut by_address = bff.stream("/stream?ultimo=450", None).await;
    assert_eq!(
        news(&mut by_address, 2).await,
        [event(451, "p-1", 451), event(452, "p-1", 452)]
    );
    let mut both = bff.stream("/stream?ultimo=1", Some("451")).await;
    assert_eq!(
        news(&mut both, 1).await,
        [event(452, "p-1", 452)],
        "a browser that reconnects repeats its address"
    );
    let mut no_header = bff.stream("/stream?ultimo=451", Some("")).await;
    assert_eq!(
        news(&mut no_header, 1).await,
        [event(452, "p-1", 452)],
        "an empty header says nothing"
    );
    let mut from_the_start = bff.stream("/stream", Some("0")).await;
    assert_eq!(news(&mut from_the_start, 1).await, [event(1, "p-1", 1)]);
}

#[tokio::test]
async fn a_client_that_comes_back_before_its_first_event_misses_nothing() {
    let bff = Bff::start().await;
    for n in 1..=2 {
        let mut lost = bff.blocks("/stream", None).await;
        let first = next(&mut lost).await;
        let dispatched = (first.event.as_str(), first.data.as_str());
        assert_eq!(dispatched, ("", ""), "nothing is");
        drop(lost);
        bff.tell(&running("p-1", n)).await;
        // Who says where it goes on from is told events alone.
        let mut again = bff.blocks("/stream", Some(&first.id)).await;
        assert_eq!(news(&mut again, 1).await, [event(n, "p-1", n)]);
    }
}

#[tokio::test]
async fn a_filtered_stream_tells_one_payment_only() {
    let bff = Bff::start().await;
    for n in 1..=3 {
        bff.tell(&running("p-1", n)).await;
        bff.tell(&running("p-2", n)).await;
    }
    let mut stream = bff.stream("/stream?idCorrelacion=p-2", Some("1")).await;
    let past = [event(2, "p-2", 1), event(4, "p-2", 2), event(6, "p-2", 3)];
    assert_eq!(news(&mut stream, 3).await, past);
    bff.tell(&running("p-1", 4)).await;
    bff.tell(&running("p-2", 4)).await;
    assert_eq!(news(&mut stream, 1).await, [event(8, "p-2", 4)]);
}

#[tokio::test]
async fn a_client_that_lags_too_far_reads_on_from_the_table() {
    let bff = Bff::start().await;
    let mut stream = bff.stream("/stream?idCorrelacion=p-1", None).await;
    let count = 1_500; // more than the buffer of live events
    for n in 1..=count {
        bff.tell(&running("p-1", n)).await;
    }
    let expected: Vec<_> = (1..=count).map(|n| event(n, "p-1", n)).collect();
    assert_eq!(news(&mut stream, expected.len()).await, expected);
}

#[tokio::test]
async fn an_id_that_cannot_be_resumed_from_gets_a_reset_and_then_what_is_new() {
    let bff = Bff::start().await;
    for n in 1..=9 {
        bff.tell(&running("p-1", n)).await;
    }
    bff.database.execute("DELETE FROM eventos WHERE numero <= 5").await;
    let mut kept = bff.stream("/stream", Some("5")).await;
    assert_eq!(
        news(&mut kept, 1).await,
        [event(6, "p-1", 6)],
        "nothing is missing after 5"
    );
    // Pruned, never given out, no number.
    for id in ["4", "0", "10", "-3", "x"] {
        let mut stream = bff.stream("/stream", Some(id)).await;
        let reset = next(&mut stream).await;
        assert_eq!((reset.event.as_str(), reset.id.as_str()), ("Reinicio", "9"), "{id}");
        let data: serde_json::Value = serde_json::from_str(&reset.data).unwrap();
        assert_eq!(data["ultimo"], 9);
    }
    let mut stream = bff.stream("/stream", Some("4")).await;
    assert_eq!(next(&mut stream).await.event, "Reinicio");
    bff.tell(&running("p-1", 10)).await;
    assert_eq!(news(&mut stream, 1).await, [event(10, "p-1", 10)]);
}

#[tokio::test]
async fn old_events_are_pruned() {
    let bff = Bff::at(Pace {
        prune: Duration::from_millis(5),
        keep_events: 3,
        ..calm()
    })
    .await;
    for n in 1..=9 {
        bff.tell(&running("p-1", n)).await;
    }
    let kept = seedwork_runtime::participant::laws::eventually("the pruning", || async {
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM eventos")
            .fetch_one(&bff.database.pool)
            .await
            .unwrap();
        (count == 3).then_some(count)
    });
    kept.await;
    let mut stream = bff.stream("/stream", Some("6")).await;
    assert_eq!(news(&mut stream, 1).await, [event(7, "p-1", 7)]);
}

#[tokio::test]
async fn what_is_pruned_while_a_client_catches_up_is_not_missing_unnoticed() {
    let bff = Bff::start().await;
    for n in 1..=9 {
        bff.tell(&running("p-1", n)).await;
    }
    // SQLite has one connection, and who waits for it gets it in turn: the pruning comes between the first and the
    // second question that the stream asks of the table.
    let held = bff.database.pool.acquire().await.unwrap();
    let mut stream = bff.stream("/stream", Some("2")).await;
    let prune = bff.database.execute("DELETE FROM eventos WHERE numero <= 5");
    let (first, (), ()) = futures::future::join3(next(&mut stream), prune, async { drop(held) }).await;
    assert!(first.event == "Reinicio" || first.id == "3", "{first:?}");
}

#[tokio::test]
async fn what_is_pruned_before_this_replica_reads_it_is_not_missing_unnoticed() {
    let bff = Bff::start().await;
    let mut all = bff.stream("/stream", None).await;
    let mut one = bff.stream("/stream?idCorrelacion=p-1", None).await;
    // As it looks to who comes back to the database when all that is over.
    let mut transaction = bff.database.pool.begin().await.unwrap();
    for numero in 1..=9_i64 {
        let stored = sqlx::query(
            "INSERT INTO eventos (numero, id_correlacion, id_cliente, datos, creado_ms) VALUES ($1, 'p-1', 'c-1', '{}', 0)",
        );
        stored.bind(numero).execute(&mut *transaction).await.unwrap();
    }
    for statement in [
        "UPDATE contador SET n = 9 WHERE id = 1",
        "DELETE FROM eventos WHERE numero <= 5",
    ] {
        sqlx::query(statement).execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
    for stream in [&mut all, &mut one] {
        let reset = next(stream).await;
        assert_eq!((reset.event.as_str(), reset.id.as_str()), ("Reinicio", "9"));
    }
    bff.tell(&running("p-1", 10)).await;
    for stream in [&mut all, &mut one] {
        assert_eq!(news(stream, 1).await, [event(10, "p-1", 10)]);
    }
}

#[tokio::test]
async fn an_older_database_resets_the_streams_and_is_followed_from_where_it_is() {
    let bff = Bff::start().await;
    let mut stream = bff.stream("/stream", None).await;
    for n in 1..=9 {
        bff.tell(&running("p-1", n)).await;
    }
    news(&mut stream, 9).await;
    let mut transaction = bff.database.pool.begin().await.unwrap();
    for statement in [
        "UPDATE contador SET n = 5 WHERE id = 1",
        "DELETE FROM eventos WHERE numero > 5",
    ] {
        sqlx::query(statement).execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let reset = next(&mut stream).await;
    assert_eq!((reset.event.as_str(), reset.id.as_str()), ("Reinicio", "5"));
    bff.tell(&running("p-1", 10)).await;
    assert_eq!(news(&mut stream, 1).await, [event(6, "p-1", 10)]);
}

#[tokio::test]
async fn every_replica_streams_what_every_replica_stored() {
    let database = Database::open().await;
    let one = Bff::on(database.clone(), calm()).await;
    let other = Bff::on(database, calm()).await;
    let mut stream = other.stream("/stream", None).await;
    one.tell(&running("p-1", 1)).await;
    other.tell(&running("p-1", 2)).await;
    other.tell(&running("p-1", 1)).await;
    one.tell(&running("p-1", 3)).await;
    assert_eq!(
        news(&mut stream, 3).await,
        [event(1, "p-1", 1), event(2, "p-1", 2), event(3, "p-1", 3)]
    );
}

#[tokio::test]
async fn a_refused_request_is_an_event() {
    let bff = Bff::start().await;
    let id = bff.pay("c-1").await;
    let mut stream = bff.stream(&format!("/stream?idCorrelacion={id}"), None).await;
    let reason = Reason::new("SolicitudInvalida", "no puede ser");
    bff.deliver(&Message::SolicitudRechazada {
        id_correlacion: id.clone(),
        reason,
    })
    .await;
    let data: serde_json::Value = serde_json::from_str(&next(&mut stream).await.data).unwrap();
    assert_eq!(data["idCorrelacion"], id.as_str());
    assert_eq!(data["phase"], "Rechazado");
    assert_eq!(data["reason"]["motivo"], "SolicitudInvalida");
}

#[tokio::test]
async fn a_quiet_stream_is_kept_alive_by_pings_with_the_date() {
    let bff = Bff::at(Pace {
        ping: Duration::from_millis(10),
        ..calm()
    })
    .await;
    let mut stream = bff.stream("/stream", None).await;
    for _ in 0..2 {
        let ping = next(&mut stream).await;
        assert_eq!((ping.event.as_str(), ping.id.as_str()), ("ping", ""));
        assert!(ping.data.starts_with("20") && ping.data.ends_with('Z'), "{}", ping.data);
    }
}

#[tokio::test]
async fn streams_end_when_the_process_stops() {
    let bff = Bff::at(Pace {
        ping: Duration::from_millis(10),
        ..calm()
    })
    .await;
    let stream = bff.stream("/stream", None).await;
    bff.app.streams.cancel();
    let rest = tokio::time::timeout(Duration::from_secs(10), stream.collect::<Vec<_>>());
    assert!(rest.await.is_ok(), "the stream goes on");
}
