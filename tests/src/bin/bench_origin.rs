//! The origin of `make bench` where nginx is not installed: answers every request with one small JSON document, as
//! fast as a single thread can, and does nothing else.
//!
//! Usage: `bench-origin LISTEN`.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 91\r\n\r\n{\"ok\":true,\"items\":[1,2,3,4,5,6,7,8,9,10],\"message\":\"hello from the origin, a document\"} \r\n";

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let Some(listen) = std::env::args().nth(1) else {
        eprintln!("usage: bench-origin LISTEN");
        std::process::exit(2);
    };
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (wire, _) = listener.accept().await?;
        tokio::spawn(converse(wire));
    }
}

async fn converse(mut wire: TcpStream) -> std::io::Result<()> {
    wire.set_nodelay(true)?;
    let mut unread = Vec::with_capacity(16 * 1024);
    loop {
        let needed = request_length(&unread);
        if let Some(length) = needed.filter(|length| *length <= unread.len()) {
            unread.drain(..length);
            wire.write_all(ANSWER).await?;
        } else if wire.read_buf(&mut unread).await? == 0 {
            return Ok(());
        }
    }
}

/// Head and Content-Length of the first request together; `None` while the head is not whole. The peers of the bench
/// send nothing else, chunked bodies least of all.
fn request_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(bytes.get(..head)?).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    Some(head + length.unwrap_or(0))
}
