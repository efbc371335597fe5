//! The port: listening, refusing, and listening again.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{JoinHandle, JoinSet};

/// Why no answer is given: the connection ends.
#[derive(Debug, thiserror::Error)]
#[error("the provider hangs up")]
pub(crate) struct HungUp;

/// A port on loopback that is served, or that refuses connections while nobody else can have it.
#[derive(Debug)]
pub(crate) struct Port {
    address: SocketAddr,
    state: PortState,
}

#[derive(Debug)]
enum PortState {
    Serving(JoinHandle<()>),
    /// Bound and not listening: connections are refused, and the number stays ours.
    Refusing(TcpSocket),
    Between,
}

impl Port {
    /// Binds a free port; connections are refused until [`Port::serve`].
    pub(crate) fn reserve() -> Self {
        let socket = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        Self {
            address: socket.local_addr().expect("it is bound"),
            state: PortState::Refusing(socket),
        }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests with `answer`.
    pub(crate) fn serve<A, F>(&mut self, answer: A)
    where
        A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response<Body>, HungUp>> + Send + 'static,
    {
        let listener = match std::mem::replace(&mut self.state, PortState::Between) {
            PortState::Refusing(socket) => socket.listen(1024).expect("a listener"),
            PortState::Between => bind(self.address).listen(1024).expect("a listener"),
            serving @ PortState::Serving(_) => {
                self.state = serving;
                return;
            }
        };
        self.state = PortState::Serving(tokio::spawn(accept(listener, Arc::new(answer))));
    }

    /// Ends all connections and refuses new ones.
    pub(crate) async fn refuse(&mut self) {
        if let PortState::Serving(task) = &mut self.state {
            task.abort();
            let _ = task.await;
            self.state = PortState::Between;
            self.state = PortState::Refusing(bind(self.address));
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        if let PortState::Serving(task) = &self.state {
            task.abort();
        }
    }
}

fn bind(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    // Connections of before may linger in TIME_WAIT.
    socket.set_reuseaddr(true).expect("an option");
    socket.bind(address).expect("the port is free");
    socket
}

async fn accept<A, F>(listener: TcpListener, answer: Arc<A>)
where
    A: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, HungUp>> + Send + 'static,
{
    // Dropped with this task, and with it every connection.
    let mut connections = JoinSet::<Result<(), Infallible>>::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let answer = Arc::clone(&answer);
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(request));
                    // How a connection ends is the client's matter, or a fault that was asked for.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                    Ok(())
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
