//! Start, listen, stop.

use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use seedwork::Fault;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{SetOnce, oneshot};
use tower_http::timeout::RequestBodyDeadlineLayer;

use crate::problem::Problem;
use crate::sidecar::Sidecar;
use crate::sql::Pool;

/// The largest request body that is read, in bytes.
pub const BODY_LIMIT: usize = 64 * 1024;

/// How long a body may take to come: who sends a byte now and then is not waited for.
const BODY_PATIENCE: Duration = Duration::from_secs(30);

/// Every address of this machine, of IPv6 and of IPv4: a cluster may have one kind alone.
pub const EVERYWHERE: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// How many connections may wait to be taken, where the kernel allows as many.
const BACKLOG: u32 = 4_096;

/// How long who is answered may take nothing of it: an answer that nobody reads is not held for ever.
const UNREAD: Duration = Duration::from_secs(30);

/// Why a process cannot start, as a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StartupError {
    message: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

// === impl StartupError ===

impl StartupError {
    /// A problem and what caused it.
    pub fn new(message: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            message: message.into(),
            source: Some(source.into()),
        }
    }

    /// A problem that has no other cause.
    pub fn told(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    /// The whole chain in one line.
    pub fn chain(&self) -> String {
        seedwork::fault::chain(self)
    }
}

/// How this process is asked to stop.
static STOP: Stop = Stop::new();

struct Stop {
    /// Whether it has come so far that it ends in order.
    in_order: AtomicBool,
    asked: SetOnce<()>,
}

/// Runs a process's `main`: prints a start-up problem as one sentence and exits with 1. Who is asked to stop before it serves ends
/// at once: the first process of a container does not get a signal that it does not listen to, and would be waited for.
pub async fn main<F>(run: F) -> std::process::ExitCode
where
    F: Future<Output = Result<(), StartupError>>,
{
    match STOP.unless_asked(signalled(), run).await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error.chain());
            std::process::ExitCode::FAILURE
        }
    }
}

// === impl Stop ===

impl Stop {
    const fn new() -> Self {
        Self {
            in_order: AtomicBool::new(false),
            asked: SetOnce::const_new(),
        }
    }

    async fn unless_asked<F>(&self, signalled: impl Future<Output = ()>, run: F) -> Result<(), StartupError>
    where
        F: Future<Output = Result<(), StartupError>>,
    {
        let at_once = async {
            signalled.await;
            // Whoever begins to listen for signals meanwhile has not heard this one.
            let _ = self.asked.set(());
            if self.in_order.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            outcome = run => outcome,
            () = at_once => Err(StartupError::told("stopped before it was done")),
        }
    }

    async fn is_asked(&self, signalled: impl Future<Output = ()>) {
        self.in_order.store(true, Ordering::SeqCst);
        tokio::select! {
            _ = self.asked.wait() => {}
            () = signalled => {}
        }
    }
}

/// The words of a command line, with `run` where no command is named: an image's entry point needs no argument.
pub fn words(given: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<_> = given.into_iter().collect();
    let about = ["-h", "--help", "-V", "--version"];
    let setting = |word: &OsString| {
        word.to_str()
            .is_some_and(|word| word.starts_with('-') && !about.contains(&word))
    };
    if words.get(1).is_none_or(setting) {
        words.insert(1.min(words.len()), "run".into());
    }
    words
}

/// Binds a port; a taken one says so and what to do. Call within a tokio runtime.
pub async fn bind(host: IpAddr, port: u16) -> Result<TcpListener, StartupError> {
    let address = SocketAddr::from((host, port));
    or_ipv4(listen(address), address).map_err(|error| {
        StartupError::new(
            format!("cannot listen on {address}; stop what holds the port or set PORT to another"),
            error,
        )
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    listen_on(socket, address)
}

fn listen_on(socket: TcpSocket, address: SocketAddr) -> io::Result<TcpListener> {
    socket.set_reuseaddr(true)?;
    // Each connection has both from here: one whose other end is gone without a word is given up, if late, and so is one whose
    // other end takes nothing more.
    socket.set_keepalive(true)?;
    SockRef::from(&socket).set_tcp_user_timeout(Some(UNREAD))?;
    if address.is_ipv6() {
        // A kernel may be set (net.ipv6.bindv6only) to leave the addresses of IPv4 out.
        SockRef::from(&socket).set_only_v6(false)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What is listened on where [`EVERYWHERE`] was asked for and the kernel has no IPv6: all that there is.
fn or_ipv4(listening: io::Result<TcpListener>, address: SocketAddr) -> io::Result<TcpListener> {
    match listening {
        Err(error) if address.ip() == EVERYWHERE && error.kind() != io::ErrorKind::AddrInUse => {
            tracing::info!(%error, "the addresses of IPv6 cannot be listened on; those of IPv4 alone are tried");
            listen((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        listening => listening,
    }
}

/// What a service cannot work without, and what it says while it can.
#[derive(Clone)]
pub struct Health {
    /// Its sidecar.
    pub sidecar: Arc<dyn Sidecar>,
    /// Its database, if it has one.
    pub pool: Option<Pool>,
    /// The JSON of `GET /health` while both answer.
    pub body: &'static str,
}

/// How long the database may take to answer a question that costs nothing.
const SQL_PATIENCE: Duration = Duration::from_secs(3);

// === impl Health ===

impl Health {
    async fn answer(&self) -> Response {
        let (sidecar, sql) = tokio::join!(self.sidecar.ready(), self.sql());
        let (title, sentence) = match (sidecar, sql) {
            (Ok(()), Ok(())) => return ([("content-type", "application/json")], self.body).into_response(),
            (Err(error), _) => {
                let sentence = error.to_string();
                tracing::warn!(error = Fault::from(error).chain(), "the Dapr sidecar is not ready");
                ("the Dapr sidecar is not ready", sentence)
            }
            (Ok(()), Err(sentence)) => ("the database is not ready", sentence),
        };
        // Read by probes and by who runs this: English, as logs are.
        Problem::of(StatusCode::SERVICE_UNAVAILABLE, sentence)
            .titled(title)
            .into_response()
    }

    async fn sql(&self) -> Result<(), String> {
        let Some(pool) = &self.pool else {
            return Ok(());
        };
        match tokio::time::timeout(SQL_PATIENCE, sqlx::query("SELECT 1").execute(pool)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                // The error may name hosts and users: for the log alone.
                tracing::warn!(%error, "the database does not answer");
                Err("the database does not answer; see the log".to_owned())
            }
            Err(_) => {
                let sentence = format!("the database takes longer than {} s", SQL_PATIENCE.as_secs());
                tracing::warn!("{sentence}");
                Err(sentence)
            }
        }
    }
}

/// Adds what every service has: `GET /health` (503 unless sidecar and database answer), the limits of a body and the trace
/// of each request. Who asks is judged within: [`crate::auth::layer`] comes before this, and `/health` asks nobody.
pub fn dress(router: Router, health: Health) -> Router {
    router
        .route("/health", get(move || async move { health.answer().await }))
        .fallback(|| async { Problem::of(StatusCode::NOT_FOUND, "no existe esta ruta") })
        .method_not_allowed_fallback(|| async {
            Problem::of(StatusCode::METHOD_NOT_ALLOWED, "esta ruta tiene otros métodos")
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(RequestBodyDeadlineLayer::new(BODY_PATIENCE))
        .layer(middleware::from_fn(crate::telemetry::http_span))
}

/// How long the requests under way may take once the process is to stop. A pod has 30 s, of which the chart's `preStop` takes 3,
/// and WebSockets and the last spans 5 each.
const LEAVE: Duration = Duration::from_secs(15);

/// Serves until `shutdown`, then finishes the requests under way, for some seconds: a peer that takes no more of its answer
/// would keep the process until it is killed, and with it whatever is still to be done. Handlers may ask for the peer's address
/// (`ConnectInfo<SocketAddr>`).
pub async fn run(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), StartupError> {
    run_within(listener, router, shutdown, LEAVE).await
}

async fn run_within(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
    leave: Duration,
) -> Result<(), StartupError> {
    let (stops, stopping) = oneshot::channel();
    let shutdown = async move {
        shutdown.await;
        let _ = stops.send(());
    };
    let too_long = async move {
        // Without a word the serving has ended by itself, and says so.
        if stopping.await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(leave).await;
    };
    let serving = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(shutdown)
        .into_future();
    tokio::select! {
        served = serving => served.map_err(|error| StartupError::new("the server ended", error)),
        () = too_long => {
            tracing::warn!(seconds = leave.as_secs(), "requests are still under way; they are left");
            Ok(())
        }
    }
}

/// Completes on SIGTERM or Ctrl-C. Once somebody waits here [`main`] leaves the end to them.
pub async fn stop_signal() {
    STOP.is_asked(signalled()).await;
}

async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut term) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::{Body, Bytes};
    use axum::http::Request;
    use axum::routing::post;
    use futures::stream;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpStream;
    use tokio::sync::Notify;
    use tower::ServiceExt as _;

    use super::*;
    use crate::sidecar::MemorySidecar;

    static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate::Migrator::DEFAULT;

    #[tokio::test]
    async fn everywhere_is_every_address_of_ipv4_at_least() {
        let listener = bind(EVERYWHERE, 0).await.unwrap();
        let address = listener.local_addr().unwrap();
        // Where the kernel has IPv6.
        assert_eq!(address.is_ipv6(), std::net::TcpListener::bind("[::]:0").is_ok());
        let port = address.port();
        let _peer = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let accepted = TcpSocket::from_std_stream(accepted.into_std().unwrap());
        assert!(
            accepted.keepalive().unwrap(),
            "who is gone is waited for without an end"
        );
        let unread = SockRef::from(&accepted).tcp_user_timeout().unwrap();
        assert_eq!(unread, Some(UNREAD), "what nobody reads is held without an end");
        assert!(bind(EVERYWHERE, port).await.err().unwrap().chain().contains("set PORT"));

        let everywhere = SocketAddr::from((EVERYWHERE, 0));
        if address.is_ipv6() {
            // As it comes from a kernel with net.ipv6.bindv6only.
            let socket = TcpSocket::new_v6().unwrap();
            SockRef::from(&socket).set_only_v6(true).unwrap();
            let listener = listen_on(socket, everywhere).unwrap();
            let port = listener.local_addr().unwrap().port();
            let reached = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
            assert!(reached.is_ok(), "the addresses of IPv6 alone");
        }
        // EAFNOSUPPORT, as a kernel says that has no IPv6.
        let no_ipv6 = || Err(io::Error::from_raw_os_error(97));
        let listener = or_ipv4(no_ipv6(), everywhere).unwrap();
        assert_eq!(listener.local_addr().unwrap().ip(), Ipv4Addr::UNSPECIFIED);
        let taken = io::Error::from(io::ErrorKind::AddrInUse);
        assert!(or_ipv4(Err(taken), everywhere).is_err(), "half of the addresses");
        let told = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
        assert!(or_ipv4(no_ipv6(), told).is_err(), "another address than was asked for");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_asked_to_stop_ends_at_once_until_it_ends_in_order() {
        let stop = Stop::new();
        let starting = stop.unless_asked(async {}, std::future::pending());
        let outcome = tokio::time::timeout(LEAVE, starting).await;
        let sentence = outcome.expect("it is waited for").unwrap_err().chain();
        assert!(sentence.contains("before it was done"), "{sentence}");

        let stop = Stop::new();
        let serving = async {
            // Who listens from now on hears what was said before.
            stop.is_asked(std::future::pending()).await;
            tokio::time::sleep(LEAVE).await;
            Ok(())
        };
        let ended = tokio::time::timeout(2 * LEAVE, stop.unless_asked(async {}, serving)).await;
        ended.expect("it is not told").expect("what is under way is finished");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for_without_an_end() {
        let health = Health {
            sidecar: Arc::new(MemorySidecar::default()),
            pool: None,
            body: "{}",
        };
        let router = dress(Router::new().route("/", post(|_: Bytes| async {})), health);
        let never = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let asked = router.oneshot(Request::post("/").body(never).unwrap());
        let answer = tokio::time::timeout(BODY_PATIENCE * 2, asked).await;
        assert_eq!(answer.expect("it waits").unwrap().status(), StatusCode::BAD_REQUEST);
    }

    #[tokio::test]
    async fn healthy_is_who_reaches_the_database_and_the_sentence_names_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/health.db?mode=rwc", folder.path().display());
        let pool = crate::sql::open(&url.into(), &MIGRATIONS).await.unwrap();
        let health = Health {
            sidecar: Arc::new(MemorySidecar::default()),
            pool: Some(pool.clone()),
            body: r#"{"status":"up"}"#,
        };
        let router = dress(Router::new(), health);
        let ask = async || {
            let request = Request::get("/health").body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            let status = response.status();
            let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
            (status, String::from_utf8(body.to_vec()).unwrap())
        };
        assert_eq!(ask().await, (StatusCode::OK, r#"{"status":"up"}"#.to_owned()));
        pool.close().await;
        let (status, body) = ask().await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("the database does not answer"), "{body}");
    }

    #[tokio::test]
    async fn a_peer_that_takes_no_more_of_its_answer_does_not_keep_the_process() {
        let asked = Arc::new(Notify::new());
        let is_asked = Arc::clone(&asked);
        let endless = move || {
            asked.notify_one();
            let chunk = Ok::<_, Infallible>(Bytes::from_static(&[0; 4096]));
            std::future::ready(Body::from_stream(stream::repeat(chunk)))
        };
        let router = Router::new().route("/", get(endless));
        let listener = bind(IpAddr::from([127, 0, 0, 1]), 0).await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        peer.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n").await.unwrap();
        let stop = async move { is_asked.notified().await };
        let ended = run_within(listener, router, stop, Duration::from_millis(50));
        let ended = tokio::time::timeout(Duration::from_secs(10), ended).await;
        ended.expect("it waits for a peer that reads nothing").unwrap();
        drop(peer);
    }

    #[test]
    fn it_runs_unless_told_something_else() {
        for (given, first) in [
            ("gc", "run"),
            ("gc --port 1", "run"),
            ("gc rebuild --port 1", "rebuild"),
            ("gc spec", "spec"),
            ("gc --help", "--help"),
            ("gc -V", "-V"),
        ] {
            let words = words(given.split(' ').map(OsString::from));
            assert_eq!(words.get(1).and_then(|word| word.to_str()), Some(first), "{given}");
        }
    }
}
