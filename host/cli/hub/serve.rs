//! `sandbeat hub` without more: the receiving server itself. SIGHUP has it look at its certificate, and nothing else: a
//! log that is rotated or a terminal that is closed does not end it.

use std::pin::pin;

use anyhow::Context;
use clap::ValueEnum;
use sandbeat_hub::Hub;
use tokio::signal::unix::{SignalKind, signal};

use super::args::ServeOptions;
use crate::config::Source;
use crate::logging;
use crate::run::BLOCKED;
use crate::signals::Terminate;

pub(super) fn run(options: &ServeOptions) -> anyhow::Result<()> {
    let _log = logging::never_wait();
    let mut source = Source::read(&options.file)?;
    if let Some(listen) = options.listen {
        source.flag(["hub", "listen"], &listen.to_string(), "--listen");
    }
    if let Some(value) = options.enroll.as_ref().and_then(ValueEnum::to_possible_value) {
        source.flag(["hub", "enroll"], value.get_name(), "--enroll");
    }
    for (path, key, flag) in [
        (&options.data, "data", "--data"),
        (&options.admin_key_file, "admin_key_file", "--admin-key-file"),
        (&options.tls_cert, "tls_cert", "--tls-cert"),
        (&options.tls_key, "tls_key", "--tls-key"),
    ] {
        if let Some(path) = path {
            let path = path.to_str().with_context(|| format!("{flag}: {} is not UTF-8", path.display()))?;
            source.flag(["hub", key], path, flag);
        }
    }
    let config = source.hub()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let mut terminate = Terminate::listen()?;
        let mut hangup = signal(SignalKind::hangup()).context("cannot listen for signals")?;
        let listener = tokio::net::TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on {}; choose another with --listen", config.listen))?;
        let shutdown = async move {
            let signal = terminate.received().await;
            tracing::info!(signal, "the hub is asked to stop");
        };
        let hub = Hub::new(config);
        let renewal = hub.renewal();
        let mut serving = pin!(hub.serve(listener, shutdown));
        loop {
            tokio::select! {
                served = &mut serving => return Ok(served?),
                Some(()) = hangup.recv() => {
                    tracing::info!("SIGHUP: certificate and key are looked at now; a changed configuration takes a restart");
                    renewal.ask();
                }
            }
        }
    });
    // What reads from a disk that does not answer is not waited for.
    runtime.shutdown_timeout(BLOCKED);
    served
}
