//! `rampart`: a security and caching gateway in front of an unchanged backend.
//!
//! This file chooses the allocator and hands over to the command line; each command lives in a file of its own under `cli`.

mod admin;
mod asked;
mod cli;
mod demo;
mod filters;
mod ftw;
mod health;
mod load;
mod process;
mod reload;
mod resolve;
mod serve;
mod shared;

use std::process::ExitCode;

/// mimalloc: measured 10 to 20 % less CPU per proxied request than the system allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
