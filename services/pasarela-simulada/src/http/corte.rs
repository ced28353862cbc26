//! Closing a connection without an answer. HTTP servers always answer, so the connection itself is told to fail.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

/// The scissors of one connection: once it is cut, nothing more is written to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Corte(Arc<AtomicBool>);

/// A listener whose connections can be cut.
#[derive(Debug)]
pub(crate) struct Puerta(TcpListener);

/// A connection that can be cut.
#[derive(Debug)]
pub(crate) struct Conexion {
    stream: TcpStream,
    corte: Corte,
}

// === impl Corte ===

impl Corte {
    /// Whatever is written from now on fails, which makes the server close the connection.
    pub(crate) fn cortar(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::Acquire) {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the outcome table withholds the answer",
            ));
        }
        Ok(())
    }
}

impl Connected<IncomingStream<'_, Puerta>> for Corte {
    fn connect_info(stream: IncomingStream<'_, Puerta>) -> Self {
        stream.io().corte.clone()
    }
}

// === impl Puerta ===

impl Puerta {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self(listener)
    }
}

impl Listener for Puerta {
    type Io = Conexion;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // Axum's own accept, which retries what can be retried.
        let (stream, address) = Listener::accept(&mut self.0).await;
        (
            Conexion {
                stream,
                corte: Corte::default(),
            },
            address,
        )
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

// === impl Conexion ===

impl AsyncRead for Conexion {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Conexion {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.corte.check()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.corte.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
