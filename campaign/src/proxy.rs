//! A wire that can be cut: a TCP proxy in front of a local port. What happens to it is a [`Mode`], set from outside.

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::time::Duration;

use local::holders::held_by;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::Outcome;

/// How a wire is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Everything passes.
    Open,
    /// Connections are reset, new ones are refused.
    Refused,
    /// Nothing passes and nobody is told; what was sent arrives when it opens again.
    Silent,
    /// Requests arrive, answers do not: whoever waits for one is reset when it opens again.
    Deaf,
    /// Everything passes, each piece so much later.
    Slow(Duration),
}

/// Some ports of ours, each in front of another port, that are cut together.
pub(crate) struct Wire {
    mode: watch::Sender<Mode>,
}

/// The connection is over and both ends are to know at once.
struct Cut;

/// Which way a piece of data goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

// === impl Wire ===

impl Wire {
    /// Listens on the first port of each pair and passes on to the second.
    pub(crate) async fn open(ends: &[(u16, u16)]) -> Outcome<Self> {
        let mode = watch::Sender::new(Mode::Open);
        for (port, target) in ends.iter().copied() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
            let listener = listener.map_err(|error| in_the_way(port, &error))?;
            tokio::spawn(accept(listener, target, mode.subscribe()));
        }
        Ok(Self { mode })
    }

    /// Changes it, for the connections that are there as well.
    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

/// Who listens there, as far as that can be seen, or what else there is.
fn in_the_way(port: u16, error: &std::io::Error) -> String {
    if error.kind() != ErrorKind::AddrInUse {
        return format!("port {port}, meant for a wire, cannot be had: {error}");
    }
    format!("port {port}, meant for a wire, is held by {}", held_by(port))
}

async fn accept(listener: TcpListener, target: u16, mode: watch::Receiver<Mode>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                tokio::spawn(carry(client, target, mode.clone()));
            }
            // No descriptors left, or the client gave up: the next one may do better.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn carry(mut client: TcpStream, target: u16, mut mode: watch::Receiver<Mode>) {
    let until_connected = async {
        while *mode.borrow_and_update() == Mode::Silent {
            mode.changed().await.map_err(|_| Cut)?;
        }
        if *mode.borrow() == Mode::Refused {
            return Err(Cut);
        }
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await;
        server.map_err(|_| Cut)
    };
    let Ok(mut server) = until_connected.await else {
        // As if nobody listened.
        return reset(&client);
    };
    // A proxy that waits for more to send would be slower than no proxy.
    if client.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
        return reset(&client);
    }
    let over = {
        let (client_out, client_in) = client.split();
        let (server_out, server_in) = server.split();
        let there = pump(client_out, server_in, mode.clone(), Way::There);
        let back = pump(server_out, client_in, mode, Way::Back);
        tokio::try_join!(there, back)
    };
    if over.is_err() {
        reset(&client);
        reset(&server);
    }
}

/// The peer's next call fails, rather than waiting.
fn reset(stream: &TcpStream) {
    // A socket that cannot be told is closed the usual way.
    stream.set_zero_linger().ok();
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut mode: watch::Receiver<Mode>,
    way: Way,
) -> Result<(), Cut> {
    let mut piece = vec![0; 16 * 1024];
    loop {
        let count = tokio::select! {
            read = from.read(&mut piece) => read.map_err(|_| Cut)?,
            () = refused(mode.clone()) => return Err(Cut),
        };
        passes(&mut mode, way).await?;
        if count == 0 {
            return to.shutdown().await.map_err(|_| Cut);
        }
        tokio::select! {
            written = to.write_all(&piece[..count]) => written.map_err(|_| Cut)?,
            () = refused(mode.clone()) => return Err(Cut),
        }
    }
}

async fn refused(mut mode: watch::Receiver<Mode>) {
    // When the wire is gone, so is everything.
    mode.wait_for(|mode| *mode == Mode::Refused).await.ok();
}

/// Waits until a piece of data may go on.
async fn passes(mode: &mut watch::Receiver<Mode>, way: Way) -> Result<(), Cut> {
    let mut lost = false;
    loop {
        let now = *mode.borrow_and_update();
        match (now, way) {
            (Mode::Refused, _) => return Err(Cut),
            (Mode::Open | Mode::Slow(_), _) if lost => return Err(Cut),
            (Mode::Open, _) | (Mode::Deaf, Way::There) => return Ok(()),
            (Mode::Slow(by), _) => {
                sleep(by).await;
                return Ok(());
            }
            (Mode::Deaf, Way::Back) => lost = true,
            (Mode::Silent, _) => {}
        }
        mode.changed().await.map_err(|_| Cut)?;
    }
}

/// A port that is free now.
#[cfg(test)]
async fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    listener.local_addr().unwrap().port()
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);
    const NOT_NOW: Duration = Duration::from_millis(50);

    /// An echo behind a wire, and a connection to it through which one word went.
    async fn talking() -> (Wire, u16, TcpStream) {
        let echo = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let target = echo.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = echo.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await.ok();
                });
            }
        });
        let port = free_port().await;
        let wire = Wire::open(&[(port, target)]).await.unwrap();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        say(&mut stream).await;
        assert!(timeout(SOON, heard(&mut stream)).await.unwrap().is_ok());
        (wire, port, stream)
    }

    async fn say(stream: &mut TcpStream) {
        stream.write_all(b"hola").await.unwrap();
    }

    async fn heard(stream: &mut TcpStream) -> std::io::Result<[u8; 4]> {
        let mut word = [0; 4];
        stream.read_exact(&mut word).await.map(|_| word)
    }

    #[tokio::test]
    async fn a_refused_wire_resets_what_is_there_and_takes_nothing_new() {
        let (wire, port, mut stream) = talking().await;
        wire.set(Mode::Refused);
        assert!(timeout(SOON, heard(&mut stream)).await.unwrap().is_err());
        let mut other = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        assert!(timeout(SOON, heard(&mut other)).await.unwrap().is_err());
        wire.set(Mode::Open);
        let mut again = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        say(&mut again).await;
        assert!(timeout(SOON, heard(&mut again)).await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_silent_wire_delivers_late_and_loses_nothing() {
        let (wire, _, mut stream) = talking().await;
        wire.set(Mode::Silent);
        say(&mut stream).await;
        assert!(timeout(NOT_NOW, heard(&mut stream)).await.is_err());
        wire.set(Mode::Open);
        assert_eq!(timeout(SOON, heard(&mut stream)).await.unwrap().unwrap(), *b"hola");
    }

    #[tokio::test]
    async fn on_a_deaf_wire_the_answer_is_lost_and_the_asker_learns_it_at_the_end() {
        let (wire, _, mut stream) = talking().await;
        wire.set(Mode::Deaf);
        say(&mut stream).await;
        assert!(timeout(NOT_NOW, heard(&mut stream)).await.is_err());
        wire.set(Mode::Open);
        assert!(timeout(SOON, heard(&mut stream)).await.unwrap().is_err());
    }

    #[tokio::test]
    async fn nobody_behind_the_wire_is_as_good_as_a_refusal() {
        let (port, nobody) = (free_port().await, free_port().await);
        let _wire = Wire::open(&[(port, nobody)]).await.unwrap();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        assert!(timeout(SOON, heard(&mut stream)).await.unwrap().is_err());
    }
}
