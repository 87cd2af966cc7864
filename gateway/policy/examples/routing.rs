//! What choosing a route costs: nanoseconds a request among 100 routes.
//!
//! `cargo run --release -p rampart-policy --example routing`

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use rampart_message::Headers;
use rampart_policy::{Embedded, Environment, LoadOptions, Query, Secrets, Snapshot, load_embedded};

const CONFIG: &str = "version = 1\n[listener.main]\naddress = \"127.0.0.1:0\"\n[upstream.agents]\naddresses = [\"http://127.0.0.1:9000\"]";
const ROUNDS: u32 = 2_000_000;

fn main() {
    let plain = snapshot(&rules(""));
    let hosts = snapshot(&rules(", host = [\"api.example.com\", \"*.example.org\"]"));
    for (what, snapshot, host, path) in [
        ("exact path", &plain, "api.example.com", "/api/v1/things17"),
        ("one wildcard", &plain, "api.example.com", "/api/v1/things17/0123456789"),
        ("below a prefix", &plain, "api.example.com", "/files/17/a/long/path/to/some/file.txt"),
        ("the fallback", &plain, "api.example.com", "/no/such/place/at/all"),
        ("exact host and path", &hosts, "api.example.com:8080", "/api/v1/things17"),
        ("wildcard host, one wildcard", &hosts, "a.b.example.org", "/api/v1/things17/0123456789"),
    ] {
        measure(what, snapshot, host, path);
    }
}

fn measure(what: &str, snapshot: &Snapshot, host: &str, path: &str) {
    let fields: [(&[u8], &[u8]); 2] = [(b"host", host.as_bytes()), (b"accept", b"*/*")];
    let query = Query {
        host: host.as_bytes(),
        path: path.as_bytes(),
        query: b"skip=0&limit=10",
        headers: Headers::new(&fields),
        method: b"GET",
    };
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        black_box(snapshot.route(black_box(&query)));
    }
    let each = begun.elapsed() / ROUNDS;
    eprintln!("{what:<28} {:>5} ns  {:?}", each.as_nanos(), snapshot.route(&query).name());
}

/// The route's name, for the line that is printed.
trait Named {
    fn name(&self) -> Option<&str>;
}

impl Named for rampart_policy::Routed<'_> {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Found(route) => Some(&route.name),
            _ => None,
        }
    }
}

fn rules(more: &str) -> String {
    let mut text = "version = 1\n[profile.default]\n".to_owned();
    let mut add = |name: String, path: String, methods: &str| {
        let route =
            format!("[[route]]\nname = \"{name}\"\nmatch = {{ path = \"{path}\", methods = [{methods}]{more} }}\n");
        text.push_str(&(route + "upstream = \"agents\"\n"));
    };
    for index in 0..33 {
        add(format!("things {index}"), format!("/api/v1/things{index}"), "\"GET\", \"POST\"");
        add(format!("thing {index}"), format!("/api/v1/things{index}/*"), "\"GET\", \"DELETE\"");
        add(format!("files {index}"), format!("/files/{index}/**"), "\"GET\"");
    }
    add("rest".to_owned(), "/**".to_owned(), "");
    text
}

fn snapshot(rules: &str) -> Snapshot {
    let embedded = Embedded { config: ("config.toml", CONFIG), rules: &[("rules.toml", rules)] };
    let options = LoadOptions {
        config: PathBuf::from("config.toml"),
        environment: Environment::empty(),
        secrets: Secrets::Require,
    };
    let (report, snapshot) = load_embedded(&embedded, &options);
    let Some(snapshot) = snapshot else {
        for found in report.into_sorted() {
            eprintln!("{found}");
        }
        std::process::exit(1);
    };
    snapshot
}
