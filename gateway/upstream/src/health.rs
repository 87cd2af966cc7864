mod check;

pub use check::{HealthCheck, RawHealth, RawStatus};
