//! The harness of the end-to-end tests: the real `rampart` binary, the origins behind it and the peers in front of it.
//!
//! Everything here speaks to the gateway over sockets of the loopback interface only, as a stranger would: no crate of
//! the gateway is linked (but for the starters of real Redis servers, [`redis`]), so that a test can know nothing that a
//! client, an origin or an operator could not know.
//! Peers are named after what they do wrong ([`hostile`]); waiting is always for a condition under a deadline
//! ([`wait`]), never for a length of time. A panic in here is a failed test and nothing else.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a broken expectation must stop the test where it broke"
)]
#![expect(clippy::missing_panics_doc, reason = "every function of a test harness panics when the expectation breaks")]

pub mod address;
pub mod announce;
pub mod certificate;
pub mod core_rules;
pub mod curl;
pub mod fleet;
pub mod gateway;
pub mod hostile;
pub mod http1;
pub mod http2;
pub mod key_server;
pub mod load;
pub mod moody;
pub mod origin;
pub mod origin2;
pub mod process;
pub mod quota;
pub mod redis;
pub mod reflect;
pub mod rules;
pub mod setup;
pub mod shape;
pub mod token;
pub mod wait;

pub use address::free_address;
pub use certificate::Authority;
pub use gateway::Gateway;
pub use http1::{Connection, Response};
pub use http2::Connection2;
pub use key_server::KeyServer;
pub use load::{Asked, Load};
pub use moody::{Mood, MoodyOrigin};
pub use origin::{Answer, CountingOrigin, Seen};
pub use origin2::CountingOrigin2;
pub use setup::Setup;
pub use token::SigningKey;
pub use wait::{DEADLINE, eventually, within};
