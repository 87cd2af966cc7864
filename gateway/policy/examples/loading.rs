//! What loading a configuration costs: milliseconds for the whole, twenty times.
//!
//! `cargo run --release -p rampart-policy --example loading -- config.toml`

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rampart_policy::{Environment, LoadOptions, Secrets, load};

const ROUNDS: u32 = 20;

fn main() {
    let config = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("config.toml"), PathBuf::from);
    let options = LoadOptions { config, environment: Environment::of_process(), secrets: Secrets::Warn };
    let (mut total, mut longest) = (Duration::ZERO, Duration::ZERO);
    for round in 0..ROUNDS {
        let begun = Instant::now();
        let (report, snapshot) = load(&options);
        let took = begun.elapsed();
        total += took;
        longest = longest.max(took);
        let Some(snapshot) = snapshot else {
            for found in report.into_sorted() {
                eprintln!("{found}\n");
            }
            std::process::exit(1);
        };
        if round == 0 {
            eprintln!("snapshot {}: {:?}", snapshot.digest, snapshot.loaded);
        }
    }
    eprintln!("{:.1} ms a load, at most {:.1} ms", (total / ROUNDS).as_secs_f64() * 1e3, longest.as_secs_f64() * 1e3);
}
