//! A hub that can be made to misbehave, an agent in this process, and a client for its API.

pub(crate) mod agent;
pub(crate) mod http;
pub(crate) mod hub;
pub(crate) mod logs;
pub(crate) mod openmetrics;
pub(crate) mod proxy;
pub(crate) mod tls;

use std::future::Future;
use std::time::Duration;

/// Longer than anything here takes on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// Between looks at a condition that cannot be waited for.
const LOOK: Duration = Duration::from_millis(5);

/// Asks until there is an answer.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(DEADLINE, asking).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}
