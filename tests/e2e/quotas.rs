//! Quotas as clients, other gateways and operators see them.

mod costs;
mod fleet;
mod identity;
mod keys;
mod kinds;
mod login;
mod store;

use rampart_tests::redis::Redis;
use rampart_tests::{CountingOrigin, Setup};

/// A gateway before an origin that says 200 to everything, without inspection: these routes and quotas.
fn quotas(origin: &CountingOrigin, rules: &str) -> Setup {
    Setup::new(origin.address).without_inspection().routes(rules)
}

/// A route by this name, at the path of its name, with these quotas.
fn route(name: &str, quotas: &[&str]) -> String {
    format!(
        "[[route]]\nname = \"{name}\"\nmatch = {{ path = \"/{name}\" }}\nupstream = \"agents\"\nquotas = {quotas:?}\n\n"
    )
}

/// Redis with a deadline that a loaded machine keeps: what happens when it is missed is tested elsewhere.
pub(crate) fn patient(redis: &Redis) -> String {
    format!("{}command_deadline = \"1s\"\n", redis.settings())
}
