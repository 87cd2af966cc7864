//! From what operators wrote to a [`Config`].

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rampart_identity::TrustedProxies;
use rampart_limits::{LimitsConfig, RawLimits};
use rampart_record::{RawLog, RawStorage, RecordConfig};
use rampart_secrets::{Resolver, Secret, SecretRef};
use rampart_settings::{Checked, Duration, Place, Size};
use rampart_store::{RawRedis, RedisConfig};
use rampart_upstream::RawUpstream;

use super::{Admin, CertificateFiles, Config, Http2, Listener, ListenerTls, Process};
use crate::certificate;
use crate::environment::Environment;
use crate::load::Secrets;
use crate::raw_config::{
    RawAdmin, RawHttpsPort, RawListener, RawListenerTls, RawProbe, RawProcess, RawProtocol, RawProxyProtocol, anywhere,
};
use crate::routing::HostPattern;

/// No deadline of a listener is longer.
const LONGEST: Duration = Duration::hours(24);
/// A deadline of nothing would end every request.
const SHORTEST: Duration = Duration::millis(1);
/// Less than this holds hardly one body.
const SMALLEST_BUDGET: Size = Size::mib(1);

/// What checking a configuration looks at besides its text.
pub(crate) struct Checks<'c> {
    pub(crate) checked: &'c Checked,
    /// The folder of the configuration file.
    pub(crate) folder: &'c Path,
    pub(crate) environment: &'c Environment,
    pub(crate) secrets: Secrets,
    /// Other files that the configuration names.
    pub(crate) attached: RefCell<Attached>,
}

/// Files beside the configuration whose change asks for a reload.
#[derive(Debug, Default)]
pub(crate) struct Attached {
    pub(crate) files: Vec<PathBuf>,
    /// What of their content belongs to the digest: certificates, never keys or other secrets.
    pub(crate) public: Vec<u8>,
    /// Every secret that was resolved, in the order of the text.
    pub(crate) secrets: Vec<Arc<Secret>>,
}

impl Checks<'_> {
    fn attach(&self, file: PathBuf, public: &[u8]) {
        let mut attached = self.attached.borrow_mut();
        attached.files.push(file);
        attached.public.extend((public.len() as u64).to_be_bytes());
        attached.public.extend(public);
    }

    /// The secret behind a reference. What is wrong with it is reported.
    pub(crate) fn secret(&self, reference: &SecretRef, place: &Place<'_>) -> Option<Arc<Secret>> {
        if reference.provider() == "file" {
            self.attach(secret_file(reference.rest(), self.folder), b"");
        }
        let environment = |name: &str| self.environment.get(name).map(str::to_owned);
        match Resolver::new(&environment, self.folder).resolve(reference) {
            Ok(resolved) => {
                for warning in resolved.warnings {
                    place.warn(warning, "let only the gateway's user read it");
                }
                let secret = Arc::new(resolved.secret);
                self.attached.borrow_mut().secrets.push(Arc::clone(&secret));
                Some(secret)
            }
            Err(error) if self.secrets == Secrets::Require => {
                place.error(error.to_string());
                None
            }
            Err(error) => {
                place.warn(error.to_string(), "where the gateway runs this is an error");
                None
            }
        }
    }

    /// A file that the configuration names and whose content belongs to the digest: public keys. A relative path is
    /// relative to the folder of the configuration.
    pub(crate) fn public_file(&self, path: &Path, place: &Place<'_>) -> Option<Vec<u8>> {
        let path = self.folder.join(path);
        match crate::files::read(&path) {
            Ok(bytes) => {
                self.attach(path, &bytes);
                Some(bytes)
            }
            Err(error) => {
                place.error(format!("{} cannot be read: {error}", path.display()));
                self.attach(path, b"");
                None
            }
        }
    }

    /// An upstream's file of authorities: relative to the folder of the configuration, like every path, and checked.
    pub(crate) fn authorities(&self, upstream: &mut RawUpstream, place: &Place<'_>) {
        if let Some(ca_file) = upstream.tls.as_mut().and_then(|tls| tls.ca_file.as_mut()) {
            *ca_file = self.folder.join(&*ca_file);
            let bytes = certificate::check_authorities(ca_file, &place.key("tls").key("ca_file"));
            self.attach(ca_file.clone(), &bytes.unwrap_or_default());
        }
    }
}

/// Compiles every section that fits the schema; what is wrong is reported. The result is to be used only if nothing was
/// reported as an error.
pub(crate) fn compile(checks: &Checks<'_>, rules: PathBuf, place: &Place<'_>) -> Config {
    let read = Sections { checks, place };
    let raw: RawProcess = read.section("process").unwrap_or_default();
    let process_place = place.key("process");
    let listeners = read.listeners();
    let admin = read.section::<RawAdmin>("admin").and_then(|raw| read.admin(&raw));
    let probe = read.section::<RawProbe>("probe").and_then(|raw| address(&raw.address, &place.key("probe")));
    refuse_shared_addresses(&listeners, admin.as_ref(), probe, place);
    refuse_unannounced(&listeners, &raw, place);
    let roots = checks.checked.read::<Vec<PathBuf>>(&place.key("seclang_roots")).unwrap_or_else(anywhere);
    Config {
        rules,
        seclang_roots: roots.into_iter().map(|root| checks.folder.join(root)).collect(),
        trusted_proxies: TrustedProxies::compile(&raw.trusted_proxies, &process_place.key("trusted_proxies")),
        process: process(raw, checks.folder, &process_place),
        listeners,
        admin,
        probe,
        redis: read.section::<RawRedis>("redis").and_then(|raw| redis(raw, checks, &place.key("redis"))),
        limits: LimitsConfig::compile(&read.section::<RawLimits>("limits").unwrap_or_default(), &place.key("limits")),
        records: RecordConfig::compile(
            &read.section::<RawLog>("log").unwrap_or_default(),
            read.section::<RawStorage>("storage").as_ref(),
            place,
            checks.folder,
        ),
    }
}

fn redis(mut raw: RawRedis, checks: &Checks<'_>, place: &Place<'_>) -> Option<RedisConfig> {
    if let Some(tls) = &mut raw.tls {
        for file in [&mut tls.ca_file, &mut tls.cert_file, &mut tls.key_file].into_iter().flatten() {
            *file = checks.folder.join(&*file);
        }
    }
    let config = RedisConfig::compile(&raw, &|reference, place| checks.secret(reference, place), place)?;
    config.check_files(place);
    Some(config)
}

struct Sections<'c, 'p> {
    checks: &'c Checks<'c>,
    place: &'c Place<'p>,
}

impl Sections<'_, '_> {
    fn section<T: serde::de::DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.checks.checked.read(&self.place.key(name))
    }

    fn listeners(&self) -> Vec<Listener> {
        let tables = self.place.key("listener");
        let names = tables.keys();
        if names.is_empty() {
            self.place.error_help("no listener", "add [listener.main] with address = \"127.0.0.1:8080\"");
        }
        let mut listeners = Vec::with_capacity(names.len());
        for name in names {
            let place = tables.key(name);
            check_name("listener", name, &place);
            if let Some(raw) = self.checks.checked.read::<RawListener>(&place) {
                listeners.extend(self.listener(name, &raw, &place));
            }
        }
        listeners
    }

    fn listener(&self, name: &str, raw: &RawListener, place: &Place<'_>) -> Option<Listener> {
        let redirect_to_https = match raw.redirect_to_https {
            RawHttpsPort::Switch(false) => None,
            RawHttpsPort::Switch(true) => Some(443),
            RawHttpsPort::Port(port) => Some(port),
        };
        if redirect_to_https.is_some() && raw.tls.is_some() {
            place.key("redirect_to_https").error("this listener is https already");
        }
        let tls = raw.tls.as_ref().map(|tls| self.tls(tls, &place.key("tls")));
        let deadline = |key: &str, given: Duration| deadline(given, &place.key(key));
        Some(Listener {
            name: Arc::from(name),
            address: address(&raw.address, place)?,
            tls,
            proxy_protocol: raw.proxy_protocol == RawProxyProtocol::Require,
            redirect_to_https,
            header_deadline: deadline("header_deadline", raw.header_deadline),
            handshake_deadline: deadline("handshake_deadline", raw.handshake_deadline),
            body_deadline: deadline("body_deadline", raw.body_deadline),
            idle: deadline("idle", raw.idle),
            write_deadline: deadline("write_deadline", raw.write_deadline),
            max_connections: usize::try_from(raw.max_connections).unwrap_or(usize::MAX),
            max_requests: raw.max_requests,
            http2: Http2 { streams: raw.http2_streams },
        })
    }

    fn tls(&self, raw: &RawListenerTls, place: &Place<'_>) -> ListenerTls {
        let mut certificates = Vec::with_capacity(1 + raw.sni.len());
        let mut add = |server_name: Option<String>, cert_file: &Path, key_file: &Path, place: &Place<'_>| {
            let cert_file = self.checks.folder.join(cert_file);
            let key_file = self.checks.folder.join(key_file);
            let chain = certificate::check(&cert_file, &key_file, server_name.as_deref(), place);
            self.checks.attach(cert_file.clone(), &chain.unwrap_or_default());
            self.checks.attach(key_file.clone(), b"");
            certificates.push(CertificateFiles { server_name, cert_file, key_file });
        };
        add(None, &raw.cert_file, &raw.key_file, place);
        for (name, pair) in &raw.sni {
            let place = place.key("sni").key(name);
            match HostPattern::parse(name) {
                Ok(host) => add(Some(host.to_string()), &pair.cert_file, &pair.key_file, &place),
                Err(why) => place.error_at_key(why, None),
            }
        }
        if !raw.alpn.contains(&RawProtocol::Http1) {
            place.key("alpn").error_help("clients without HTTP/2 could not connect", "add \"http/1.1\"");
        }
        ListenerTls { certificates, http2: raw.alpn.contains(&RawProtocol::Http2) }
    }

    fn admin(&self, raw: &RawAdmin) -> Option<Admin> {
        let place = self.place.key("admin");
        let address = address(&raw.address, &place)?;
        if !address.ip().is_loopback() {
            place.key("address").warn(
                "the admin listener is not on loopback, and it speaks plain HTTP: the token crosses the network",
                "use 127.0.0.1, or a network that only admins reach",
            );
        }
        Some(Admin { address, token: self.checks.secret(&raw.token, &place.key("token")) })
    }
}

/// The file of `secret://file/REST`: absolute, but for `./`, as [`Resolver`] takes it.
fn secret_file(rest: &str, folder: &Path) -> PathBuf {
    match rest.strip_prefix("./") {
        Some(relative) => folder.join(relative),
        None => Path::new("/").join(rest.trim_start_matches('/')),
    }
}

fn process(raw: RawProcess, folder: &Path, place: &Place<'_>) -> Process {
    if raw.buffer_budget < SMALLEST_BUDGET {
        place.key("buffer_budget").error(format!("{} is less than {SMALLEST_BUDGET}", raw.buffer_budget));
    }
    if raw.grace > LONGEST {
        place.key("grace").error(format!("{} is more than {LONGEST}", raw.grace));
    }
    let rebase = |path: Option<PathBuf>| path.map(|path| folder.join(path));
    Process {
        threads: (raw.threads > 0).then_some(usize::from(raw.threads)),
        grace: raw.grace.get(),
        upgrade_socket: rebase(raw.upgrade_socket),
        pid_file: rebase(raw.pid_file),
        max_connections: usize::try_from(raw.max_connections).unwrap_or(usize::MAX),
        buffer_budget_bytes: raw.buffer_budget.bytes(),
    }
}

/// Names become labels of metrics and parts of environment variables.
pub(crate) fn check_name(what: &str, name: &str, place: &Place<'_>) {
    const LONGEST: usize = 64;
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' || byte == b'.';
    if name.is_empty() || name.len() > LONGEST || !name.bytes().all(good) {
        let help = format!("1 to {LONGEST} ASCII letters, digits, \"-\", \"_\" and \".\"");
        place.error_at_key(format!("{name:?} is not the name of a {what}"), Some(help));
    }
}

fn address(text: &str, table: &Place<'_>) -> Option<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let help = if text.parse::<std::net::IpAddr>().is_ok() {
        format!(
            "add the port: \"{}\"",
            if text.contains(':') { format!("[{text}]:8080") } else { format!("{text}:8080") }
        )
    } else if text.starts_with("localhost:") || text.starts_with(':') {
        let port = text.rsplit(':').next().unwrap_or_default();
        format!("write an IP address: \"127.0.0.1:{port}\", or \"0.0.0.0:{port}\" for every interface")
    } else {
        "an IP address and a port: \"127.0.0.1:8080\", \"[::1]:8080\"".to_owned()
    };
    table.key("address").error_help(format!("{text:?} is not an address to listen on"), help);
    None
}

fn deadline(given: Duration, place: &Place<'_>) -> std::time::Duration {
    if given < SHORTEST || given > LONGEST {
        place.error_help(format!("{given} is out of range"), format!("{SHORTEST} to {LONGEST}"));
    }
    given.get()
}

/// A listener that takes connections of trusted proxies only, where nobody is trusted.
fn refuse_unannounced(listeners: &[Listener], process: &RawProcess, place: &Place<'_>) {
    for listener in listeners.iter().filter(|listener| listener.proxy_protocol && process.trusted_proxies.is_empty()) {
        place.key("listener").key(&listener.name).key("proxy_protocol").error_help(
            "every connection would be closed: only trusted proxies may send PROXY headers, and there are none",
            "list the load balancer's addresses in `trusted_proxies` of [process]",
        );
    }
}

/// Two listeners on one address: the second could not be opened.
fn refuse_shared_addresses(
    listeners: &[Listener],
    admin: Option<&Admin>,
    probe: Option<SocketAddr>,
    place: &Place<'_>,
) {
    let tables = place.key("listener");
    let mut claims: Vec<(SocketAddr, Place<'_>)> =
        listeners.iter().map(|listener| (listener.address, tables.key(&listener.name))).collect();
    let admin = admin.map(|admin| admin.address);
    claims.extend(admin.map(|address| (address, place.key("admin"))));
    claims.extend(probe.filter(|probe| Some(*probe) != admin).map(|address| (address, place.key("probe"))));
    claims.retain(|(address, _)| address.port() != 0);
    for (index, (address, at)) in claims.iter().enumerate() {
        if let Some((other, rival)) = claims.iter().take(index).find(|(other, _)| collide(*other, *address)) {
            let help = format!("{} listens on {other} at {}", rival.path(), rival.location());
            at.key("address").error_help(format!("{address} is taken"), help);
        }
    }
}

fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let any = a.ip().is_unspecified() || b.ip().is_unspecified();
    a == b || (any && a.port() == b.port() && a.is_ipv4() == b.is_ipv4())
}
