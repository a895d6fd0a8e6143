//! The supervised program.

use std::io::{BufWriter, Write};
use std::os::unix::net::UnixDatagram;
use std::time::Instant;

use anyhow::bail;

/// The word that makes this program be a supervised one.
pub const CHILD: &str = "supervised-child";

/// A line of 128 bytes with its end.
const LINE: &[u8; 128] =
    b"2026-11-20T12:00:00.000Z INFO request method=GET path=/api/v1/things status=200 micros=1234 \
                           bytes=56789 client=127.0.0.1:4321 ok";

/// `SOCKET stamp` tells its process id and sleeps; `SOCKET flood BYTES` writes so much in lines, tells how many
/// microseconds that took, and sleeps.
///
/// # Errors
/// Nobody listens, or the words are others.
pub fn child(words: &[String]) -> anyhow::Result<()> {
    let socket = UnixDatagram::unbound()?;
    let (to, told) = match words {
        [to, what] if what == "stamp" => (to, u64::from(std::process::id())),
        [to, what, bytes] if what == "flood" => (to, flood(bytes.parse()?)?),
        _ => bail!("a supervised child that does not know what to do"),
    };
    socket.send_to(&told.to_le_bytes(), to)?;
    loop {
        std::thread::park();
    }
}

fn flood(bytes: u64) -> anyhow::Result<u64> {
    let mut line = *LINE;
    if let Some(last) = line.last_mut() {
        *last = b'\n';
    }
    let start = Instant::now();
    let mut stdout = BufWriter::with_capacity(64 * 1024, std::io::stdout().lock());
    for _ in 0..bytes / line.len() as u64 {
        stdout.write_all(&line)?;
    }
    stdout.flush()?;
    Ok(u64::try_from(start.elapsed().as_micros())?)
}
