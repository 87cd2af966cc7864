//! `Setup`: what a test wants to be configured, written out as config.toml and a rules directory.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use crate::address::free_address;
use crate::certificate::Authority;
use crate::gateway::Gateway;
use crate::rules::copy_shipped_inspection;

/// The name that test certificates of the TLS listener are for.
pub const TLS_NAME: &str = "gateway.test";

/// The admin token every test gateway is started with.
pub const ADMIN_TOKEN: &str = "a-token-for-tests-only-0123456789abcdef";

/// A gateway to be started.
#[derive(Clone)]
#[must_use = "a setup does nothing until it is started"]
pub struct Setup {
    pub(crate) config: String,
    routes: String,
    listener: String,
    process: String,
    upstreams: String,
    tls: bool,
    redirect: bool,
    shipped_rules: bool,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) arguments: Vec<String>,
    files: Vec<(String, String)>,
}

/// The addresses of a started gateway.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Plain HTTP.
    pub plain: SocketAddr,
    /// TLS; nothing listens there unless [`Setup::tls`] was asked for.
    pub tls: SocketAddr,
    /// Admin and probes.
    pub admin: SocketAddr,
}

/// One route to everything, by the default profile, to the upstream `agents`.
pub const CATCH_ALL: &str = "[[route]]\nname = \"all\"\nmatch = { path = \"/**\" }\nupstream = \"agents\"\n";

impl Setup {
    /// A gateway with a plain listener, the shipped inspection rules and one upstream `agents` at `origin`, to which
    /// every path leads.
    pub fn new(origin: SocketAddr) -> Self {
        Self::bare().upstream("agents", &format!("addresses = [\"http://{origin}\"]")).routes(CATCH_ALL)
    }

    /// A gateway without any upstream or route.
    pub fn bare() -> Self {
        Self {
            config: String::new(),
            routes: String::new(),
            listener: String::new(),
            process: String::new(),
            upstreams: String::new(),
            tls: false,
            redirect: false,
            shipped_rules: true,
            environment: vec![("RAMPART_ADMIN_TOKEN".into(), ADMIN_TOKEN.into())],
            arguments: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Replaces the routes: the rest of a rules file, without its `version`.
    pub fn routes(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.routes);
        self
    }

    /// Adds an upstream: the keys of its table.
    pub fn upstream(mut self, name: &str, keys: &str) -> Self {
        write!(self.upstreams, "\n[upstream.{name}]\n{keys}\n").unwrap();
        self
    }

    /// Adds keys to every listener's table.
    pub fn listener(mut self, keys: &str) -> Self {
        writeln!(self.listener, "{keys}").unwrap();
        self
    }

    /// Adds keys to the `[process]` table.
    pub fn process(mut self, keys: &str) -> Self {
        writeln!(self.process, "{keys}").unwrap();
        self
    }

    /// Adds whole tables to config.toml.
    pub fn config(mut self, toml: &str) -> Self {
        writeln!(self.config, "{toml}").unwrap();
        self
    }

    /// Adds a TLS listener with a certificate for [`TLS_NAME`] by the gateway's own test authority.
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Makes the plain listener send everybody to TLS.
    pub fn redirect_to_tls(mut self) -> Self {
        self.redirect = true;
        self
    }

    /// Leaves the shipped inspection rules and profiles out.
    pub fn without_shipped_rules(mut self) -> Self {
        self.shipped_rules = false;
        self
    }

    /// Sets a variable of the gateway's environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Adds a command-line argument after `run --config FILE`.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds a file to the gateway's folder; the path is relative to it.
    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.push((path.into(), text.into()));
        self
    }

    /// Writes everything out and starts the gateway; returns when it is ready. A port that somebody
    /// took between the choice and the start costs another attempt, at most three.
    pub async fn start(self) -> Gateway {
        for _ in 0..2 {
            match Gateway::start(self.clone()).await {
                Ok(gateway) => return gateway,
                Err(failure) if failure.address_in_use() => {}
                Err(failure) => panic!("{failure}"),
            }
        }
        Gateway::start(self).await.unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// Fresh addresses for an attempt.
    pub(crate) fn addresses() -> Addresses {
        Addresses { plain: free_address(), tls: free_address(), admin: free_address() }
    }

    /// Writes config.toml, rules/ and the certificate into `folder`.
    pub(crate) fn write(&self, folder: &Path, addresses: &Addresses, authority: &Authority) {
        let rules = folder.join("rules");
        std::fs::create_dir_all(&rules).unwrap();
        if self.shipped_rules {
            copy_shipped_inspection(&rules);
        }
        std::fs::write(rules.join("routes.toml"), format!("version = 1\n\n{}", self.routes)).unwrap();
        for (path, text) in &self.files {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        if self.tls {
            authority.sign(&[TLS_NAME]).write(folder, "listener");
        }
        std::fs::write(folder.join("config.toml"), self.config_toml(folder, addresses)).unwrap();
    }

    fn config_toml(&self, folder: &Path, addresses: &Addresses) -> String {
        let mut text = format!(
            "version = 1\nrules = \"rules\"\n\n[process]\nthreads = 2\ngrace = \"5s\"\nupgrade_socket = \"{}\"\n{}",
            folder.join("upgrade.sock").display(),
            self.process,
        );
        write!(text, "\n[listener.main]\naddress = \"{}\"\n{}", addresses.plain, self.listener).unwrap();
        if self.redirect {
            writeln!(text, "redirect_to_https = {}", addresses.tls.port()).unwrap();
        }
        if self.tls {
            write!(text, "\n[listener.secure]\naddress = \"{}\"\n{}", addresses.tls, self.listener).unwrap();
            text.push_str("\n[listener.secure.tls]\ncert_file = \"listener.pem\"\nkey_file = \"listener.key\"\n");
        }
        write!(text, "\n[admin]\naddress = \"{}\"\ntoken = \"secret://env/RAMPART_ADMIN_TOKEN\"\n", addresses.admin)
            .unwrap();
        write!(text, "\n[probe]\naddress = \"{}\"\n", addresses.admin).unwrap();
        if !self.config.contains("[log.access]") {
            text.push_str("\n[log.access]\nto = \"file\"\npath = \"access.log\"\n");
        }
        if !self.config.contains("[log.events]") {
            text.push_str("\n[log.events]\nto = \"file\"\npath = \"events.log\"\n");
        }
        if !self.config.contains("[storage]") {
            text.push_str("\n[storage]\npath = \"rampart.db\"\n");
        }
        text.push_str(&self.upstreams);
        text.push('\n');
        text.push_str(&self.config);
        text
    }
}
