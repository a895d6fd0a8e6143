//! The demo's sample process: a web server of one answer, so that there is something to supervise and to probe.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::Context;

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\nconnection: close\r\n\r\nok\n";

pub(crate) fn run(listen: &SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
    for connection in listener.incoming() {
        let Ok(mut connection) = connection else { continue };
        // A client that says nothing, or is gone, is not served; the next one is.
        let _ = connection.set_read_timeout(Some(Duration::from_secs(1)));
        let _ = connection.read(&mut [0; 1024]).and_then(|_| connection.write_all(ANSWER));
    }
    Ok(())
}
