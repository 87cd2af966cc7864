//! A load balancer that announces its clients by the PROXY protocol, and clients at other loopback addresses.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use crate::http1::Connection;
use crate::wait::within;

/// A connection to `target` whose own address is `source`: on Linux all of 127.0.0.0/8 is this machine.
pub async fn connect_from(source: IpAddr, target: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(source, 0)).unwrap();
    let wire = within("connect to the gateway", socket.connect(target)).await.expect("connect to the gateway");
    wire.set_nodelay(true).unwrap();
    wire
}

/// TLS over something already connected.
pub async fn tls_over(
    wire: TcpStream,
    name: &str,
    config: Arc<ClientConfig>,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).expect("a server name");
    within("a TLS handshake with the gateway", TlsConnector::from(config).connect(name, wire)).await
}

/// A plain connection from `source`.
pub async fn plain_from(source: &str, target: SocketAddr) -> Connection {
    Connection::over(connect_from(source.parse().unwrap(), target).await)
}

/// A header of version 1.
pub fn v1(client: &str, server: &str) -> Vec<u8> {
    let (client, server): (SocketAddr, SocketAddr) = (client.parse().unwrap(), server.parse().unwrap());
    let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
    format!("PROXY {family} {} {} {} {}\r\n", client.ip(), server.ip(), client.port(), server.port()).into_bytes()
}

/// A header of version 2, with `extensions` behind the addresses.
pub fn v2(client: &str, server: &str, extensions: &[u8]) -> Vec<u8> {
    let (client, server): (SocketAddr, SocketAddr) = (client.parse().unwrap(), server.parse().unwrap());
    let octets = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let ports = [client.port().to_be_bytes(), server.port().to_be_bytes()].concat();
    let block = [octets(client.ip()), octets(server.ip()), ports, extensions.to_vec()].concat();
    v2_raw(0x21, if client.is_ipv4() { 0x11 } else { 0x21 }, &block)
}

/// A header of version 2 with any command, family and block.
pub fn v2_raw(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).expect("a short block").to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, block].concat()
}
