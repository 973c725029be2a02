//! Watches over a cluster while we serve: where PostgreSQL ends by itself it is started again, and recovers what was committed.
//!
//! It works in a task of its own that is never dropped half way, so that no start is left without somebody who stops it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Cluster, ClusterError};
use crate::limits;

/// A cluster that is started again whenever it ends by itself, until it is stopped.
#[derive(Debug)]
pub struct Kept {
    stop: CancellationToken,
    given_up: watch::Receiver<Option<String>>,
    task: JoinHandle<Cluster>,
}

impl Cluster {
    /// From now on it is watched.
    pub fn keep(self) -> Kept {
        let stop = CancellationToken::new();
        let (tell, given_up) = watch::channel(None);
        let told = stop.clone();
        let task = tokio::spawn(async move {
            let mut cluster = self;
            if let Err(error) = watch_over(&mut cluster, &told).await {
                tell.send_replace(Some(error.to_string()));
                told.cancelled().await;
            }
            cluster
        });
        Kept { stop, given_up, task }
    }
}

impl Kept {
    /// Comes back only when the cluster could not be started again, and says why.
    pub async fn given_up(&self) -> String {
        let mut given_up = self.given_up.clone();
        let why = given_up.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
        match why {
            Some(why) => why,
            // Whoever watches is gone: it is being stopped.
            None => std::future::pending().await,
        }
    }

    /// Stops it cleanly.
    pub async fn stop(self) -> Result<(), ClusterError> {
        self.stop.cancel();
        match self.task.await {
            Ok(cluster) => cluster.stop().await,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
}

/// Ends well when told to, badly when a start failed too often in a row.
async fn watch_over(cluster: &mut Cluster, stop: &CancellationToken) -> Result<(), ClusterError> {
    loop {
        if paused(stop, limits::CLUSTER_WATCH_INTERVAL).await {
            return Ok(());
        }
        if !cluster.runs() && restart(cluster, stop).await? {
            return Ok(());
        }
    }
}

/// Tries until it runs again; true where we were told to stop meanwhile.
async fn restart(cluster: &mut Cluster, stop: &CancellationToken) -> Result<bool, ClusterError> {
    let mut wait = limits::CLUSTER_RESTART_BACKOFF_FIRST;
    let mut attempt = 1;
    tracing::error!("The private cluster ended by itself; it is started again");
    loop {
        match cluster.start_again().await {
            Ok(()) => {
                tracing::warn!(attempt, "The private cluster runs again");
                return Ok(false);
            }
            Err(error) if attempt == limits::CLUSTER_RESTARTS_MAX => return Err(error),
            Err(error) => {
                tracing::error!(attempt, error = %error, "The private cluster does not start");
            }
        }
        if paused(stop, wait).await {
            return Ok(true);
        }
        wait = wait.saturating_mul(2);
        attempt = attempt.saturating_add(1);
    }
}

/// Waits; true where we were told to stop meanwhile.
async fn paused(stop: &CancellationToken, wait: Duration) -> bool {
    tokio::time::timeout(wait, stop.cancelled()).await.is_ok()
}
