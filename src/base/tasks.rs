//! Tasks with an owner, a name and a stop. Nobody else calls `tokio::spawn`.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A group of tasks that end together. Cloning hands down the same group.
#[derive(Clone, Debug)]
pub struct Scope {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Scope {
    pub fn new() -> Self {
        Self { tracker: TaskTracker::new(), stop: CancellationToken::new() }
    }

    /// A scope whose stop follows this one's, waited for on its own.
    pub fn child(&self) -> Self {
        Self { tracker: TaskTracker::new(), stop: self.stop.child_token() }
    }

    /// Runs `task` until it ends; tasks watch [`Scope::stopped`] themselves, none is cut off.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        tracing::trace!(task = name, "task started");
        drop(self.tracker.spawn(task));
    }

    pub fn stop(&self) {
        self.stop.cancel();
    }

    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Completes once [`Scope::stop`] was called (here or on a parent).
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Waits until every task has ended; false if `at_most` passed first.
    pub async fn join(&self, at_most: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(at_most, self.tracker.wait()).await.is_ok()
    }
}

impl Default for Scope {
    fn default() -> Self {
        Self::new()
    }
}
