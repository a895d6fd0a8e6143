//! Where the API listens: TCP, or a Unix socket that only the agent's user may open.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream as BlockingUnixStream;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, fchmod};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::{TcpListener, UnixListener};

/// Waiting connections that the kernel holds.
const BACKLOG: i32 = 128;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// An address and a port; port 0 is any free one.
    Tcp(SocketAddr),
    /// An absolute path.
    Unix(PathBuf),
}

impl Listen {
    /// Reads `127.0.0.1:2468`, `[::1]:2468`, `localhost:2468` or `unix:/run/sandbeat.sock`.
    ///
    /// # Errors
    /// Why it is none of them, for the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let address = SocketAddrUnix::new(path).map_err(|_| format!("`{path}` is too long for a socket's path"))?;
            return match (path.starts_with('/'), address.path()) {
                (true, Some(_)) => Ok(Listen::Unix(path.into())),
                _ => Err(format!("`{path}` is not an absolute path")),
            };
        }
        let address = match text.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}").parse(),
            None => text.parse(),
        };
        address.map(Listen::Tcp).map_err(|_| {
            format!("`{text}` is no place to listen; write `127.0.0.1:2468`, `unix:/run/sandbeat.sock` or `off`")
        })
    }

    /// Whether others than this machine's own users could connect.
    pub fn is_beyond_loopback(&self) -> bool {
        match self {
            Listen::Tcp(address) => !address.ip().to_canonical().is_loopback(),
            Listen::Unix(_) => false,
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => address.fmt(f),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A bound socket. A Unix socket's file is removed when it is dropped.
#[derive(Debug)]
pub struct Listener {
    pub(super) socket: Socket,
    bound: Listen,
}

#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Binds, on the current tokio runtime. A Unix socket that an earlier agent left behind, to which nobody listens
    /// any more, is replaced; anything else in its place is not.
    ///
    /// # Errors
    /// The address is in use or not allowed; the message names it.
    pub async fn bind(listen: &Listen) -> io::Result<Self> {
        let bound = match listen {
            Listen::Tcp(address) => bind_tcp(*address).await,
            Listen::Unix(path) => {
                bind_unix(path).map(|socket| Listener { socket: Socket::Unix(socket), bound: listen.clone() })
            }
        };
        bound.map_err(|e| io::Error::new(e.kind(), format!("the local API cannot listen on {listen}: {e}")))
    }

    /// Where it is bound; with the real port where 0 was asked for.
    pub fn bound(&self) -> &Listen {
        &self.bound
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listen::Unix(path) = &self.bound {
            // Gone already is as good.
            let _ = std::fs::remove_file(path);
        }
    }
}

async fn bind_tcp(address: SocketAddr) -> io::Result<Listener> {
    let socket = TcpListener::bind(address).await?;
    let bound = Listen::Tcp(socket.local_addr()?);
    Ok(Listener { socket: Socket::Tcp(socket), bound })
}

fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    make_way(path)?;
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    // Linux gives the file the socket's own mode, so that it is never open to others, not even for a moment.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    // Kernels that do not.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    rustix::net::listen(&socket, BACKLOG)?;
    UnixListener::from_std(socket.into())
}

/// Removes a socket to which nobody listens.
fn make_way(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something that is no socket is there"));
        }
        Ok(_) => {}
    }
    match BlockingUnixStream::connect(path) {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody listens there already")),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_to_listen_are_read() {
        let tcp = |text: &str| Listen::Tcp(text.parse().unwrap());
        assert_eq!(Listen::parse("127.0.0.1:2468"), Ok(tcp("127.0.0.1:2468")));
        assert_eq!(Listen::parse("localhost:1"), Ok(tcp("127.0.0.1:1")));
        assert_eq!(Listen::parse("[::1]:1"), Ok(tcp("[::1]:1")));
        assert_eq!(Listen::parse("unix:/run/a.sock"), Ok(Listen::Unix("/run/a.sock".into())));
        let long = format!("unix:/{}", "a".repeat(200));
        for bad in ["", "127.0.0.1", "example.com:80", "unix:", "unix:a.sock", long.as_str(), "localhost:x"] {
            assert!(Listen::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_loopback_is_loopback() {
        for (text, beyond) in [
            ("127.0.0.1:1", false),
            ("127.9.9.9:1", false),
            ("[::1]:1", false),
            ("[::ffff:127.0.0.1]:1", false),
            ("unix:/a", false),
            ("0.0.0.0:1", true),
            ("[::]:1", true),
            ("10.0.0.1:1", true),
        ] {
            assert_eq!(Listen::parse(text).unwrap().is_beyond_loopback(), beyond, "{text}");
        }
    }

    #[tokio::test]
    async fn only_a_socket_without_a_listener_is_replaced() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("a.sock");
        let listen = Listen::Unix(path.clone());
        let first = Listener::bind(&listen).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let error = Listener::bind(&listen).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}");
        assert!(error.to_string().contains("a.sock"), "{error}");
        drop(first);
        assert!(!path.exists());

        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "left behind");
        drop(Listener::bind(&listen).await.unwrap());

        std::fs::write(&path, "precious").unwrap();
        assert_eq!(Listener::bind(&listen).await.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }
}
