//! What a failing upstream costs: how one of three fails under load, what is repeated and what never is, and what holds a
//! flood back. The numbers of each run are printed (`--nocapture`).

mod probes;
mod repeats;
mod seen;
mod shedding;
mod states;
mod under_load;
mod uploads;

use rampart_tests::setup::CATCH_ALL;
use rampart_tests::{Gateway, MoodyOrigin, Setup};

/// A gateway before these origins; `keys` are added to the upstream's.
async fn before(origins: &[MoodyOrigin], keys: &str) -> Gateway {
    let addresses: Vec<String> = origins.iter().map(|origin| format!("\"http://{}\"", origin.address)).collect();
    let keys = format!("addresses = [{}]\n{keys}", addresses.join(", "));
    Setup::bare().upstream("agents", &keys).routes(CATCH_ALL).start().await
}

/// Requests that each origin has had.
fn counts(origins: &[MoodyOrigin]) -> Vec<usize> {
    origins.iter().map(MoodyOrigin::requests).collect()
}
