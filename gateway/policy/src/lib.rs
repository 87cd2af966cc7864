//! `config.toml` and `rules/` to either diagnostics or one immutable [`Snapshot`]; and which route a request takes.
//!
//! Two kinds of file, two kinds of people: operators set listeners, upstreams and logs in `config.toml`
//! ([`RawConfig`]); admins write routes, rules and profiles in `rules/**/*.toml` ([`RawRulesFile`]). [`load`] reads
//! everything first and compiles afterwards, so that a directory that changes meanwhile gives either its old or its new
//! state of each file and is read again by whoever watches it. Every error of every file is reported at once.
//!
//! SecLang files that profiles name are read and compiled with the rest; [`reload`] takes them over from the running
//! snapshot where they have not changed.
//!
//! Beside the snapshot lives the [`Runtime`]: what is keyed by name and survives reloads.
//!
//! Never here: I/O while serving. A snapshot is a value; building one reads files, using one does not.

mod certificate;
mod config;
mod environment;
mod files;
mod load;
pub mod query;
mod raw_config;
mod raw_rules;
mod route;
mod routing;
mod runtime;
mod schema;
mod snapshot;

pub use config::{Admin, CertificateFiles, Config, Http2, Listener, ListenerTls, Process};
pub use environment::Environment;
pub use files::{MAX_FILE, MAX_FILES};
pub use load::{BLAMED, Embedded, LoadOptions, SecLangSet, Secrets, load, load_embedded, reload};
pub use raw_config::{
    RawAdmin, RawCertificate, RawConfig, RawHttpsPort, RawListener, RawListenerTls, RawProbe, RawProcess, RawProtocol,
    RawProxyProtocol,
};
pub use raw_rules::{
    RawCondition, RawHeaderEdits, RawNames, RawRedirect, RawRewrite, RawRoute, RawRouteMatch, RawRulesFile, RawTest,
};
pub use route::{Action, HeaderEdits, Redirect, Rewrite, Route, RouteQuotas};
pub use routing::{Query, Routed, Router};
pub use runtime::Runtime;
pub use schema::{schema_config, schema_rules};
pub use snapshot::{CallerTables, Loaded, Snapshot, UpstreamIndex, Watched};
