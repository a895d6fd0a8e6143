//! That the hub is about to stop, for all that would go on for as long as it runs: streams of events, webhooks, beats.
//! They end by themselves then; else the end would have to wait for them.

use tokio::sync::watch;

/// Knows when the hub is about to stop. It is an extension of each request.
#[derive(Clone, Debug)]
pub(crate) struct Closing(watch::Receiver<bool>);

impl Closing {
    /// Of a hub that stops when the sender says so, or is gone.
    pub(crate) fn later() -> (watch::Sender<bool>, Self) {
        let (close, closing) = watch::channel(false);
        (close, Closing(closing))
    }

    /// Returns once the hub is about to stop; at once when it already is.
    pub(crate) async fn wait(&mut self) {
        let _ = self.0.wait_for(|closing| *closing).await;
    }
}
