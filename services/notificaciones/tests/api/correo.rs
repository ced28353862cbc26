//! Mail, at a real mail server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use notificaciones::adapters::mensajeria::{Conexion, Entrega, Mensajeria, Smtp};
use notificaciones::domain::{Cual, Estado, Medio, Mensaje, Notificacion};
use seedwork::{Action, IdCorrelacion, Outcome, Step};
use seedwork_runtime::Auth;
use seedwork_runtime::participant::laws::comando;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::arnes::Arnes;
use crate::mailpit::Mailpit;

const DO: Action = Action::Do(Step::CrearNotificacion);

fn smtp(url: String) -> Smtp {
    smtp_within(url, Duration::from_secs(10))
}

fn smtp_within(url: String, timeout: Duration) -> Smtp {
    let conexion = Conexion {
        url,
        cuenta: None,
        remitente: "Peña SaludTech <avisos@saludtech.co>".to_owned(),
        timeout,
    };
    Smtp::new(conexion).unwrap()
}

/// The service with its mails at that server, its client there under this address.
async fn service(server: &Mailpit, address: &str) -> Arnes {
    let smtp = Arc::new(smtp(format!("smtp://{}", server.address())));
    let arnes = Arnes::with(Auth::none(), Some(smtp)).await;
    arnes.client_is(200, address);
    arnes
}

fn mail(destino: &str) -> Mensaje {
    Mensaje {
        id: Uuid::from_u128(7),
        clave: "p-1/ALERTA/correo".to_owned(),
        referencia: "p-1".to_owned(),
        medio: Medio::Correo,
        destino: destino.to_owned(),
        asunto: Some("Su pago de 24.00 USD está confirmado".to_owned()),
        texto: "Recibimos su pago de 24.00 USD.\n.\nÑandú".to_owned(),
    }
}

fn uncertain(answer: &Entrega) -> bool {
    matches!(answer, Entrega::Incierto(reason) if reason.motivo == "MensajeriaNoDisponible" && !reason.mensaje.contains('@'))
}

#[tokio::test]
async fn a_payments_mail_arrives_as_it_was_written() {
    let server = Mailpit::start(&[]).await;
    let arnes = service(&server, "ana@x.co").await;
    assert_eq!(arnes.run(&comando(DO, "p-1")).await, Some(Outcome::Done));
    let mails = server.mails().await;
    let [mail] = mails.as_slice() else {
        panic!("{} mails", mails.len());
    };
    assert_eq!(mail.to(), "ana@x.co");
    assert_eq!(mail.from(), ("Peña SaludTech", "avisos@saludtech.co"));
    assert_eq!(mail.subject(), "Su pago de 24.00 USD está confirmado");
    assert_eq!(
        mail.text(),
        "Recibimos su pago de 24.00 USD con tarjeta de crédito. Referencia: p-1."
    );
    let id = Notificacion::id_de(&IdCorrelacion::parse("p-1").unwrap(), &Cual::Alerta.tipo());
    assert_eq!(mail.header("Message-Id"), format!("<{id}@saludtech.co>"));
    assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
    assert_eq!(mail.header("Content-Type"), "text/plain; charset=utf-8");
    assert!(!mail.header("Date").is_empty());
    assert!(
        arnes.mensajeria.llamadas().is_empty(),
        "the other provider was not asked"
    );
    assert_eq!(arnes.run(&comando(DO, "p-1")).await, Some(Outcome::Done));
    assert_eq!(server.mails().await.len(), 1, "what is recorded is not sent again");
}

#[tokio::test]
async fn a_recipient_whom_the_server_refuses_is_told_by_sms() {
    let server = Mailpit::start(&[]).await;
    let arnes = service(&server, "nadie@otra.co").await;
    assert_eq!(arnes.run(&comando(DO, "p-1")).await, Some(Outcome::Done));
    assert!(server.mails().await.is_empty());
    let sent = arnes.mensajeria.entregados();
    assert_eq!((sent.len(), sent[0].destino.as_str()), (1, "sms:nadie@otra.co"));
    let Estado::Entregada { intentos, .. } = arnes.aviso("p-1", Cual::Alerta).await.estado else {
        panic!("not delivered");
    };
    assert_eq!((intentos.len(), intentos[0].medio), (1, Medio::Correo));
    assert!(intentos[0].motivo.mensaje.starts_with("550 "), "{}", intentos[0].motivo);
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again() {
    let server = Mailpit::start(&[]).await;
    let arnes = service(&server, "ana@x.co").await;
    server.answer_recipients(451).await;
    assert_eq!(arnes.run(&comando(DO, "p-1")).await, None, "not now is not no");
    assert_eq!(arnes.fila("p-1", Cual::Alerta).await.unwrap().estado, "PREPARADA");
    server.answer_recipients(0).await;
    assert_eq!(arnes.run(&comando(DO, "p-1")).await, Some(Outcome::Done));
    assert_eq!(server.mails().await.len(), 1);
    assert!(arnes.mensajeria.llamadas().is_empty());
}

#[tokio::test]
async fn a_repeated_mail_is_the_same_mail() {
    let server = Mailpit::start(&[]).await;
    let smtp = smtp(format!("smtp://{}", server.address()));
    for _ in 0..2 {
        assert_eq!(smtp.entregar(&mail("ana@x.co")).await, Entrega::Entregado);
    }
    let mails = server.mails().await;
    assert_eq!(mails.len(), 2, "SMTP knows no keys");
    assert_eq!(mails[0].header("Message-Id"), mails[1].header("Message-Id"));
    assert_eq!(
        (mails[0].subject(), mails[0].text()),
        (mails[1].subject(), mails[1].text())
    );
    let lines: Vec<_> = mails[0].text().lines().collect();
    assert_eq!(lines, ["Recibimos su pago de 24.00 USD.", ".", "Ñandú"]);
}

#[tokio::test]
async fn an_answer_about_us_or_about_later_refuses_no_mail() {
    let server = Mailpit::start(&[]).await;
    let smtp = smtp(format!("smtp://{}", server.address()));
    for code in [421, 450, 451, 452, 500, 503, 521, 530, 534, 535, 538] {
        server.answer_recipients(code).await;
        let answer = smtp.entregar(&mail("ana@x.co")).await;
        assert!(uncertain(&answer), "{code}: {answer:?}");
    }
    for code in [550, 551, 552, 553, 554, 556] {
        server.answer_recipients(code).await;
        let answer = smtp.entregar(&mail("ana@x.co")).await;
        assert!(
            matches!(&answer, Entrega::Rechazado(r) if r.motivo == "MedioRechazado"),
            "{code}: {answer:?}"
        );
    }
    assert!(server.mails().await.is_empty());
}

#[tokio::test]
async fn what_is_no_address_is_refused_and_nothing_is_sent_in_its_name() {
    let server = Mailpit::start(&[]).await;
    let smtp = smtp(format!("smtp://{}", server.address()));
    for bad in [
        "",
        "ana",
        "ana@",
        "ana@x.co\r\nBcc: eva@x.co",
        "ana@x.co>\r\nRCPT TO:<eva@x.co",
        "ana@x.co, eva@x.co",
    ] {
        let answer = smtp.entregar(&mail(bad)).await;
        assert!(matches!(&answer, Entrega::Rechazado(_)), "{bad}: {answer:?}");
    }
    assert!(server.mails().await.is_empty());
}

#[tokio::test]
async fn a_password_is_shown_to_a_server_that_asks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users");
    std::fs::write(&file, "avisos:secreta\n").unwrap();
    let flags = ["--smtp-auth-allow-insecure", "--smtp-auth-file", file.to_str().unwrap()];
    let server = Mailpit::start(&flags).await;
    let with = |password: Option<&str>| {
        let conexion = Conexion {
            url: format!("smtp://{}", server.address()),
            cuenta: password.map(|password| ("avisos".to_owned(), password.to_owned().into())),
            remitente: "avisos@saludtech.co".to_owned(),
            timeout: Duration::from_secs(10),
        };
        Smtp::new(conexion).unwrap()
    };
    assert_eq!(
        with(Some("secreta")).entregar(&mail("ana@x.co")).await,
        Entrega::Entregado
    );
    // A wrong one is ours to mend: the mail waits.
    for wrong in [Some("otra"), None] {
        let answer = with(wrong).entregar(&mail("ana@x.co")).await;
        assert!(uncertain(&answer), "{answer:?}");
    }
    assert_eq!(server.mails().await.len(), 1);
}

#[tokio::test]
async fn nothing_is_sent_to_a_server_whose_certificate_or_tls_is_not_to_be_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = [
        "--smtp-tls-cert",
        cert.to_str().unwrap(),
        "--smtp-tls-key",
        key.to_str().unwrap(),
    ];
    let starttls = Mailpit::start(&tls).await;
    let wrapped = Mailpit::start(&[&tls[..], &["--smtp-require-tls"]].concat()).await;
    let plain = Mailpit::start(&[]).await;
    let port = |server: &Mailpit| server.address().split_once(':').unwrap().1.to_owned();
    for (url, server) in [
        (format!("smtp://localhost:{}?tls=required", port(&starttls)), &starttls),
        (format!("smtps://localhost:{}", port(&wrapped)), &wrapped),
        (format!("smtp://localhost:{}?tls=required", port(&plain)), &plain),
        (format!("smtps://localhost:{}", port(&plain)), &plain),
    ] {
        let answer = smtp_within(url.clone(), Duration::from_secs(5))
            .entregar(&mail("ana@x.co"))
            .await;
        assert!(uncertain(&answer), "{url}: {answer:?}");
        assert!(server.mails().await.is_empty(), "{url}");
    }
}

/// Where the inner half of the next test is told to send.
const INNER: &str = "CORREO_TLS_URL";

#[tokio::test]
async fn a_server_whose_authority_is_trusted_gets_its_mail_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (root_key, key) = (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
    let mut root = rcgen::CertificateParams::new(Vec::new()).unwrap();
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let roots = file("root.pem", root.self_signed(&root_key).unwrap().pem());
    let issuer = rcgen::Issuer::new(root, root_key);
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = file("cert.pem", leaf.signed_by(&key, &issuer).unwrap().pem());
    let key = file("key.pem", key.serialize_pem());
    let tls = ["--smtp-tls-cert", &certificate, "--smtp-tls-key", &key];
    for (flags, scheme, query) in [
        (tls.to_vec(), "smtp", "?tls=required"),
        ([&tls[..], &["--smtp-require-tls"]].concat(), "smtps", ""),
    ] {
        let server = Mailpit::start(&flags).await;
        let port = server.address().split_once(':').unwrap().1.to_owned();
        // Roots are the process's: one that trusts this authority sends.
        let sent = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "correo::the_mail_of_a_process_that_trusts_its_server",
            ])
            .env("SSL_CERT_FILE", &roots)
            .env(INNER, format!("{scheme}://localhost:{port}{query}"))
            .output()
            .await
            .unwrap();
        assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stdout));
        assert_eq!(server.mails().await.len(), 1, "{scheme}");
    }
}

#[tokio::test]
#[ignore = "the inner half of the test above, which runs it"]
async fn the_mail_of_a_process_that_trusts_its_server() {
    let Some(url) = std::env::var_os(INNER) else { return };
    let answer = smtp(url.into_string().unwrap()).entregar(&mail("ana@x.co")).await;
    assert_eq!(answer, Entrega::Entregado);
}

/// A server that falls silent after `lines` of ours; returns its address.
async fn silent_after(lines: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (read, mut write) = stream.into_split();
            let mut read = BufReader::new(read).lines();
            if lines == 0 {
                // Held open, said nothing.
                std::future::pending::<()>().await;
            }
            write.write_all(b"220 x\r\n").await.unwrap();
            for _ in 1..lines {
                let Ok(Some(line)) = read.next_line().await else { break };
                let answer = if line == "DATA" { "354 go\r\n" } else { "250 ok\r\n" };
                write.write_all(answer.as_bytes()).await.unwrap();
            }
            std::future::pending::<()>().await;
        }
    });
    address
}

#[tokio::test]
async fn a_server_that_falls_silent_holds_nobody_and_refuses_nothing() {
    // Before the greeting; after the greeting; amid the envelope; with the mail in its hands.
    for lines in [0, 1, 3, 5] {
        let url = format!("smtp://{}", silent_after(lines).await);
        let smtp = smtp_within(url, Duration::from_millis(300));
        let answer = tokio::time::timeout(Duration::from_secs(10), smtp.entregar(&mail("ana@x.co"))).await;
        let answer = answer.expect("it waits for ever");
        assert!(uncertain(&answer), "{lines}: {answer:?}");
    }
    let away = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    assert!(uncertain(
        &smtp(format!("smtp://{away}")).entregar(&mail("ana@x.co")).await
    ));
}

/// A server that takes every mail and never says good-bye; returns its address.
async fn without_good_bye() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (read, mut write) = stream.into_split();
                let mut read = BufReader::new(read).lines();
                write.write_all(b"220 x\r\n").await.unwrap();
                let mut is_in_mail = false;
                while let Ok(Some(line)) = read.next_line().await {
                    let answer = match (line.as_str(), is_in_mail) {
                        ("DATA", false) => {
                            is_in_mail = true;
                            "354 go\r\n"
                        }
                        (".", true) => {
                            is_in_mail = false;
                            "250 taken\r\n"
                        }
                        ("QUIT", false) | (_, true) => continue,
                        (_, false) => "250 ok\r\n",
                    };
                    write.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_mail_that_was_taken_is_recorded_before_its_server_has_said_good_bye() {
    let smtp = smtp(format!("smtp://{}", without_good_bye().await));
    // The good-bye is waited for in vain for a second. Of three, that a busy machine may be slow at one.
    let mut quickest = Duration::MAX;
    for _ in 0..3 {
        let begun = Instant::now();
        assert_eq!(smtp.entregar(&mail("ana@x.co")).await, Entrega::Entregado);
        quickest = quickest.min(begun.elapsed());
    }
    assert!(quickest < Duration::from_secs(1), "{quickest:?}");
}
