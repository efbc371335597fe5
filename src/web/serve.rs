//! Listening, and stopping without losing anything.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::ext_authz::ExtAuthz;
use super::front::Front;
use super::{Door, connections, ext_authz};

/// A broker that listens.
#[derive(Debug)]
pub struct Server {
    /// Where pages and checks are answered.
    pub listener: TcpListener,
    /// Where health and metrics are answered, if not there.
    pub operations: Option<TcpListener>,
    /// Where Envoy asks over gRPC, if it does.
    pub ext_authz: Option<TcpListener>,
}

impl Server {
    /// Serves until `stop` turns true; then takes no new connections, lets requests under way finish (at
    /// most `shutdown_timeout`), writes down what is only in memory, and returns.
    pub async fn run(self, door: Arc<Door>, stop: watch::Receiver<bool>) {
        let upkeep = tokio::spawn(upkeep(Arc::clone(&door), stop.clone()));
        let operations = self.operations.map(|listener| {
            let front = Front::operations(&door);
            tokio::spawn(connections::serve(listener, front, stopped(stop.clone())))
        });
        let asked = self.ext_authz.map(|listener| {
            let asked = ExtAuthz::new(&door);
            tokio::spawn(ext_authz::serve(listener, asked, stopped(stop.clone())))
        });
        let front = Front::new(&door, operations.is_none());
        let serving = tokio::spawn(connections::serve(
            self.listener,
            front,
            stopped(stop.clone()),
        ));
        stopped(stop).await;
        tracing::info!("stopping: requests under way may finish");
        let all = async {
            let _ = serving.await;
            if let Some(asked) = asked {
                let _ = asked.await;
            }
        };
        let shutdown_timeout = door.parts.directory.current().server().shutdown_timeout;
        if tokio::time::timeout(shutdown_timeout, all).await.is_err() {
            tracing::warn!("some requests took longer than `shutdown_timeout` and were cut off");
        }
        if let Some(operations) = operations {
            operations.abort();
        }
        let _ = upkeep.await;
        door.drain().await;
    }
}

/// Between two rounds of housekeeping.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// Does what has to be done now and then, until it is time to stop. Housekeeping has a task of its own: it
/// can take long, and news of ended sessions must not wait for it.
pub(crate) async fn upkeep(door: Arc<Door>, stop: watch::Receiver<bool>) {
    let housekeeping = tokio::spawn(every(HOUSEKEEPING, stop.clone(), {
        let door = Arc::clone(&door);
        move || {
            let door = Arc::clone(&door);
            async move { door.housekeeping().await }
        }
    }));
    let second = Duration::from_secs(1);
    every(second, stop, || door.upkeep()).await;
    let _ = housekeeping.await;
}

async fn every<F: Future<Output = ()>>(
    interval: Duration,
    stop: watch::Receiver<bool>,
    mut work: impl FnMut() -> F,
) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let stop = stopped(stop);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            _ = ticks.tick() => work().await,
            () = &mut stop => return,
        }
    }
}

/// Waits until it is time to stop; also when nobody is left to say so.
pub(crate) async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
