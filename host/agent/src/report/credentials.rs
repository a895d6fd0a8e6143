//! What the agent shows to the hub - a token, a certificate - and whom it trusts, read again when the files change.
//!
//! Owner: the client. Before each post, and while someone waits for a change, the files are looked at where the last
//! look is [`LOOK_EVERY`] ago; after a refusal at once. A look is on a blocking thread, and there is one at most: a
//! disk that hangs delays one post by [`LOOK_WAIT`] and no other, and what was read before stays in use. So it does
//! while a file is missing, empty or wrong, which is said once, and once more when it is over. What is read is compared
//! by its content, because a mounted secret is replaced by swapping a link far above it.

use std::fmt;
use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use super::tls::Tls;
use super::{TlsFiles, token};

/// Between looks at the files.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a post waits for a look that begins with it; what is not there by then is for the next one.
const LOOK_WAIT: Duration = Duration::from_millis(100);
/// A look that takes longer is worth a warning.
const LOOK_LONG: Duration = Duration::from_secs(10);
const HANGS: &str = "reading the files of token and certificates hangs; those that are known stay in use";
const TOKEN_FILE: &str = "report.token_file";

/// What a post is made with.
#[derive(Clone, Debug, Default)]
pub(super) struct Current {
    pub(super) authorization: Option<HeaderValue>,
    pub(super) tls: Option<Tls>,
    /// Another number for another token.
    token_version: u32,
    /// Another number for another configuration of TLS.
    pub(super) tls_version: u32,
}

/// Whoever reads the files. May block.
pub(super) trait Source: fmt::Debug + Send + Sync + 'static {
    /// Looks at the files; `tls` is what was read of them before.
    fn look(&self, tls: Option<&Tls>) -> Look;
}

/// What a look found; nothing of what there is no file for.
#[derive(Debug, Default)]
pub(super) struct Look {
    pub(super) token: Option<Result<SecretString, String>>,
    /// Nothing as well where the files are as before.
    pub(super) tls: Option<Result<Option<Tls>, String>>,
}

/// The files that are looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    pub(super) token: Option<PathBuf>,
    pub(super) tls: Option<TlsFiles>,
}

impl Files {
    fn is_empty(&self) -> bool {
        self.token.is_none() && self.tls.as_ref().is_none_or(|tls| *tls == TlsFiles::default())
    }

    /// Of token and TLS, for messages.
    fn names(&self) -> [String; 2] {
        let token = self.token.iter().map(|path| format!("{TOKEN_FILE} {}", path.display())).collect();
        let tls =
            self.tls.iter().flat_map(|tls| tls.ca.iter().chain(tls.client.iter().flat_map(|(cert, key)| [cert, key])));
        let tls: Vec<String> = tls.map(|path| path.display().to_string()).collect();
        [token, format!("TLS ({})", tls.join(", "))]
    }
}

impl Source for Files {
    fn look(&self, tls: Option<&Tls>) -> Look {
        let files = self.tls.as_ref().filter(|files| **files != TlsFiles::default());
        Look {
            token: self
                .token
                .as_deref()
                .map(|path| token::read(path).map_err(|reason| format!("{TOKEN_FILE}: {reason}"))),
            tls: tls.zip(files).map(|(tls, files)| tls.read_again(files).map_err(|wrong| wrong.to_string())),
        }
    }
}

/// Keeps the credentials as the files have them.
#[derive(Debug)]
pub(super) struct Credentials {
    /// Nothing where there is no file.
    source: Option<Arc<dyn Source>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    current: Current,
    token: Option<SecretString>,
    /// What the last post was made with, as versions.
    posted: (u32, u32),
    looks: JoinSet<Look>,
    looked: Instant,
    /// The next look is due whenever the last one was.
    due: bool,
    token_told: Told,
    tls_told: Told,
    hang_told: bool,
}

/// What the operator knows to be wrong.
#[derive(Debug)]
struct Told {
    /// With what, for messages.
    files: String,
    trouble: Option<String>,
}

impl Credentials {
    /// Begins with what was read at the start.
    pub(super) fn new(token: Option<SecretString>, tls: Option<Tls>, files: Files) -> Self {
        let names = files.names();
        let source = (!files.is_empty()).then(|| Arc::new(files) as Arc<dyn Source>);
        Credentials::with(token, tls, source, names)
    }

    fn with(
        token: Option<SecretString>,
        tls: Option<Tls>,
        source: Option<Arc<dyn Source>>,
        [token_files, tls_files]: [String; 2],
    ) -> Self {
        let authorization = token.as_ref().and_then(token::authorization);
        let state = State {
            current: Current { authorization, tls, ..Current::default() },
            token,
            posted: (0, 0),
            looks: JoinSet::new(),
            looked: Instant::now(),
            due: false,
            token_told: Told { files: token_files, trouble: None },
            tls_told: Told { files: tls_files, trouble: None },
            hang_told: false,
        };
        Credentials { source, state: Mutex::new(state) }
    }

    /// For a post that is made now. Takes at most [`LOOK_WAIT`].
    pub(super) async fn for_post(&self) -> Current {
        self.take_ended();
        if self.begin_look() {
            // What comes late is there at the next post.
            let _ = timeout(LOOK_WAIT, self.look_ended()).await;
        }
        let mut state = self.state();
        state.posted = state.current.versions();
        state.current.clone()
    }

    /// What is wrong with the files now, for the operator.
    pub(super) fn trouble(&self) -> Option<String> {
        let state = self.state();
        let hangs = state.hang_told.then(|| HANGS.to_owned());
        hangs.or_else(|| state.token_told.trouble.clone()).or_else(|| state.tls_told.trouble.clone())
    }

    /// The hub refused them; the files are looked at as soon as someone asks.
    pub(super) fn refused(&self) {
        self.state().due = true;
    }

    /// Returns when they are others than those of the last post.
    pub(super) async fn changed(&self) {
        if self.source.is_none() {
            return std::future::pending().await;
        }
        loop {
            let (next, hanging) = {
                let state = self.state();
                if state.current.versions() != state.posted {
                    return;
                }
                (if state.due { state.looked } else { state.looked + LOOK_EVERY }, !state.looks.is_empty())
            };
            if hanging || {
                sleep_until(next).await;
                self.begin_look()
            } {
                self.look_ended().await;
            }
        }
    }

    /// Whether a look has begun.
    fn begin_look(&self) -> bool {
        let Some(source) = self.source.clone() else { return false };
        let mut state = self.state();
        let since = state.looked.elapsed();
        if !state.looks.is_empty() {
            if since >= LOOK_LONG && !state.hang_told {
                state.hang_told = true;
                tracing::warn!("{HANGS}");
            }
            return false;
        }
        if since < LOOK_EVERY && !state.due {
            return false;
        }
        state.due = false;
        state.looked = Instant::now();
        let tls = state.current.tls.clone();
        state.looks.spawn_blocking(move || source.look(tls.as_ref()));
        true
    }

    /// Waits for the end of a look, if there is one, and takes what it found.
    async fn look_ended(&self) {
        poll_fn(|cx| {
            let mut state = self.state();
            state.looks.poll_join_next(cx).map(|ended| state.take(ended))
        })
        .await;
    }

    fn take_ended(&self) {
        let mut state = self.state();
        let ended = state.looks.try_join_next();
        state.take(ended);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, ended: Option<Result<Look, JoinError>>) {
        let look = match ended {
            Some(Ok(look)) => look,
            Some(Err(failed)) => {
                return tracing::error!("reading files failed inside the agent; this is a defect of it: {failed}");
            }
            None => return,
        };
        self.hang_told = false;
        if let Some(token) = look.token
            && let Some(token) = self.token_told.good("tokens", token)
            && self.token.as_ref().is_none_or(|known| known.expose_secret() != token.expose_secret())
        {
            tracing::info!("{} has another token, which is used from now on", self.token_told.files);
            self.current.authorization = token::authorization(&token);
            self.current.token_version += 1;
            self.token = Some(token);
        }
        if let Some(tls) = look.tls
            && let Some(Some(tls)) = self.tls_told.good("certificates", tls)
        {
            tracing::info!("{} changed; new connections are made with what is there now", self.tls_told.files);
            self.current.tls = Some(tls);
            self.current.tls_version += 1;
        }
    }
}

impl Current {
    fn versions(&self) -> (u32, u32) {
        (self.token_version, self.tls_version)
    }
}

impl Told {
    /// What is good; each failure that is another than the one before, and the end of them, are told.
    fn good<T>(&mut self, what: &str, read: Result<T, String>) -> Option<T> {
        match read {
            Ok(value) => {
                if self.trouble.take().is_some() {
                    tracing::info!("{} can be read again", self.files);
                }
                Some(value)
            }
            Err(reason) => {
                let trouble = format!("{reason}; {what} that were read before stay in use");
                if self.trouble.as_ref() != Some(&trouble) {
                    tracing::warn!("{trouble}");
                    self.trouble = Some(trouble);
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    /// Each look takes the next token, and hangs until there is one.
    #[derive(Debug)]
    struct Tokens {
        next: Mutex<mpsc::Receiver<Result<&'static str, &'static str>>>,
        looks: Arc<AtomicUsize>,
    }

    impl Source for Tokens {
        fn look(&self, _: Option<&Tls>) -> Look {
            self.looks.fetch_add(1, Ordering::SeqCst);
            let next = self.next.lock().unwrap().recv().unwrap_or(Err("gone"));
            Look { token: Some(next.map(|token| token.to_owned().into()).map_err(str::to_owned)), tls: None }
        }
    }

    type Tell = mpsc::Sender<Result<&'static str, &'static str>>;

    fn credentials() -> (Credentials, Tell, Arc<AtomicUsize>) {
        let (tell, next) = mpsc::channel();
        let looks = Arc::new(AtomicUsize::new(0));
        let source = Arc::new(Tokens { next: Mutex::new(next), looks: looks.clone() });
        let names = ["the token".to_owned(), String::new()];
        (Credentials::with(Some("first".to_owned().into()), None, Some(source), names), tell, looks)
    }

    async fn posted(credentials: &Credentials) -> String {
        credentials.for_post().await.authorization.unwrap().to_str().unwrap().to_owned()
    }

    /// Time goes on, as far as the credentials can see.
    fn age(credentials: &Credentials, by: Duration) {
        let mut state = credentials.state();
        state.looked = state.looked.checked_sub(by).unwrap();
    }

    #[tokio::test]
    async fn a_disk_that_hangs_delays_one_post_and_is_asked_once() {
        let (credentials, tell, looks) = credentials();
        assert_eq!(posted(&credentials).await, "Bearer first");
        assert_eq!(looks.load(Ordering::SeqCst), 0, "it has just been read");
        age(&credentials, LOOK_EVERY);
        let started = Instant::now();
        assert_eq!(posted(&credentials).await, "Bearer first");
        assert!(started.elapsed() >= LOOK_WAIT);
        let started = Instant::now();
        for _ in 0..20 {
            age(&credentials, LOOK_LONG);
            assert_eq!(posted(&credentials).await, "Bearer first");
        }
        assert!(started.elapsed() < LOOK_WAIT * 10);
        assert_eq!(looks.load(Ordering::SeqCst), 1);
        tell.send(Ok("second")).unwrap();
        timeout(Duration::from_secs(20), credentials.changed()).await.unwrap();
        assert_eq!(posted(&credentials).await, "Bearer second");
    }

    #[tokio::test]
    async fn a_look_after_a_refusal_comes_at_once_and_tells_only_of_a_change() {
        let (credentials, tell, looks) = credentials();
        tell.send(Ok("first")).unwrap();
        posted(&credentials).await;
        credentials.refused();
        let early = timeout(LOOK_EVERY / 4, credentials.changed()).await;
        assert!(early.is_err(), "the same token is no change");
        assert_eq!(looks.load(Ordering::SeqCst), 1, "and is not looked at again so soon");
        tell.send(Err("bad")).unwrap();
        credentials.refused();
        assert!(timeout(LOOK_EVERY / 4, credentials.changed()).await.is_err(), "nor is a bad one");
        tell.send(Ok("second")).unwrap();
        credentials.refused();
        timeout(LOOK_EVERY / 2, credentials.changed()).await.unwrap();
        assert_eq!(posted(&credentials).await, "Bearer second");
        assert!(timeout(LOOK_EVERY / 4, credentials.changed()).await.is_err(), "it has been posted");
        drop(tell);
    }

    #[tokio::test]
    async fn without_files_nothing_ever_changes() {
        let credentials = Credentials::new(Some("only".to_owned().into()), None, Files::default());
        assert_eq!(posted(&credentials).await, "Bearer only");
        credentials.refused();
        assert!(timeout(LOOK_WAIT, credentials.changed()).await.is_err());
    }
}
