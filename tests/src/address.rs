//! Loopback addresses nobody listens on yet.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// An address on 127.0.0.1 whose port was free a moment ago. The kernel hands ports out in turn, so that the gap
/// between asking and binding is rarely lost to a neighbour; [`crate::Setup::start`] tries again when it is.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on the loopback interface");
    listener.local_addr().expect("the address of a bound socket")
}
