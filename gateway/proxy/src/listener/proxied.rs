//! The PROXY header at the beginning of an accepted connection.
//!
//! Only a trusted proxy may announce clients; the connection of anybody else ends before a byte of it was read. The
//! announced address takes the place of the socket's peer, so that everything after this, the walk along
//! `X-Forwarded-For` included, starts from the client that connected to the balancer. What was read beyond the header goes
//! back to the stream.

use std::os::fd::AsRawFd;
use std::time::Duration;

use pingora::protocols::l4::stream::Stream as L4Stream;
use pingora::protocols::{GetSocketDigest, SocketDigest};
use rampart_identity::TrustedProxies;
use rampart_identity::proxy_protocol::{Header, InvalidHeader, MAX_HEADER, Parsed, parse};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Why a connection ends before it began.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The peer is no trusted proxy.
    #[error("the peer is not among trusted_proxies")]
    Stranger,
    /// The header was not complete in time.
    #[error("the PROXY header did not arrive in time")]
    Deadline,
    /// The peer went away.
    #[error("the connection ended within the PROXY header")]
    Ended,
    /// What came is no header.
    #[error(transparent)]
    Invalid(#[from] InvalidHeader),
}

/// Reads the header, and makes the client that it announces the stream's peer. `false` where it announces none.
pub(super) async fn announced(
    stream: &mut L4Stream,
    trusted: &TrustedProxies,
    deadline: Duration,
) -> Result<bool, Fault> {
    let digest = stream.get_socket_digest();
    let peer = digest.as_ref().and_then(|digest| digest.peer_addr()?.as_inet());
    if !peer.is_some_and(|peer| trusted.contains(peer.ip())) {
        return Err(Fault::Stranger);
    }
    let (header, rest) = tokio::time::timeout(deadline, read(stream)).await.map_err(|_| Fault::Deadline)??;
    stream.rewind(&rest);
    let Header::Relayed { client, server } = header else { return Ok(false) };
    let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
    // Both cells are empty: the digest was made a moment ago.
    let _ = digest.peer_addr.set(Some(client.into()));
    let _ = digest.local_addr.set(Some(server.into()));
    stream.set_socket_digest(digest);
    Ok(true)
}

/// The header, and what was read behind it.
async fn read(io: &mut (impl AsyncRead + Unpin)) -> Result<(Header, Vec<u8>), Fault> {
    let mut buffer = [0; MAX_HEADER];
    let mut filled = 0;
    loop {
        let room = buffer.get_mut(filled..).unwrap_or_default();
        let count = io.read(room).await.map_err(|_| Fault::Ended)?;
        if count == 0 {
            return Err(Fault::Ended);
        }
        filled += count;
        let received = buffer.get(..filled).unwrap_or_default();
        if let Some(Parsed { header, length }) = parse(received)? {
            return Ok((header, received.get(length..).unwrap_or_default().to_vec()));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    const LINE: &[u8] = b"PROXY TCP4 198.51.100.1 192.0.2.1 56324 443\r\n";

    /// What is made of `bytes`, given in pieces of `size` before the end.
    async fn check(bytes: &[u8], size: usize, expect: Result<&[u8], &str>) {
        let (mut client, mut server) = duplex(size);
        let bytes = bytes.to_vec();
        let sending = tokio::spawn(async move {
            for piece in bytes.chunks(size) {
                if client.write_all(piece).await.is_err() {
                    break;
                }
            }
        });
        let got = read(&mut server).await.map(|(_, rest)| rest).map_err(|fault| fault.to_string());
        let mut all = got.clone().unwrap_or_default();
        if got.is_ok() {
            server.read_to_end(&mut all).await.unwrap();
        }
        drop(server);
        sending.await.unwrap();
        assert_eq!(got.map(|_| all.as_slice()), expect.map_err(str::to_owned), "pieces of {size}");
    }

    #[tokio::test]
    async fn however_it_is_cut_nothing_behind_the_header_is_lost() {
        for size in [1, 2, 7, 44, 45, 46, 4096] {
            check(LINE, size, Ok(b"")).await;
            check(&[LINE, b"GET / HTTP/1.1\r\n"].concat(), size, Ok(b"GET / HTTP/1.1\r\n")).await;
            check(&LINE[..44], size, Err("the connection ended within the PROXY header")).await;
            check(b"", size, Err("the connection ended within the PROXY header")).await;
            check(b"GET / HTTP/1.1\r\n\r\n", size, Err("there is no PROXY header")).await;
            check(&[b'P'; 4096], size, Err("there is no PROXY header")).await;
            let endless = [b"PROXY UNKNOWN ", &[b'x'; 4096][..]].concat();
            check(&endless, size, Err("the PROXY header is too long")).await;
        }
    }
}
