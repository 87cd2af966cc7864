//! Loopback addresses nobody listens on, and nobody else will be given.
//!
//! Asking the kernel for port 0 and giving it back is not enough: the same port may go to a neighbour's origin or to an
//! outgoing connection before the gateway binds it, and then a test talks to somebody else's gateway. So ports are taken
//! from below the ephemeral range, and each is held by a locked file until this test's process ends.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Below 32,768, where Linux begins to number outgoing connections, and above what services commonly use.
const FIRST: usize = 12_000;
const COUNT: usize = 20_000;

/// The locks of the ports given out, held as long as the process lives.
static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());
static TURN: AtomicUsize = AtomicUsize::new(0);

/// An address on 127.0.0.1 that is free and this process's alone.
pub fn free_address() -> SocketAddr {
    let folder = std::env::temp_dir().join("rampart-test-ports");
    std::fs::create_dir_all(&folder).expect("a folder for the locks of ports");
    // Processes begin at different places, so that they seldom meet.
    let begin = std::process::id() as usize * 61;
    for _ in 0..COUNT {
        let port = FIRST + (begin + TURN.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port).expect("a port")));
        let lock = File::create(folder.join(port.to_string())).expect("a lock of a port");
        if lock.try_lock().is_ok() && TcpListener::bind(address).is_ok() {
            HELD.lock().expect("no test panics here").push(lock);
            return address;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
