//! Tests of the run, each on rules as an administrator writes them.

mod features;
mod profiles;
mod regression;

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use rampart_message::{Body, Head, Headers, Limits, Message, ResponseHead, Version};
use rampart_settings::Report;

use super::transaction::Beginning;
use super::{Interruption, SecLang, Transaction};
use crate::engine::Scratch;
use crate::exclusion::Exempt;
use crate::seclang::files::MemoryFiles;
use crate::seclang::values::Connection;

/// A request, its response, and how they are judged.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub(super) method: Vec<u8>,
    pub(super) uri: Vec<u8>,
    pub(super) version: Version,
    pub(super) headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    pub(super) status: u16,
    pub(super) response_headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) response_body: Vec<u8>,
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
    pub(super) detect: bool,
    pub(super) work: u64,
    pub(super) now: SystemTime,
}

/// What became of it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) interruption: Option<Interruption>,
    pub(super) would: Option<Interruption>,
    pub(super) ids: Vec<u32>,
    pub(super) log: Vec<String>,
    pub(super) trace: Vec<String>,
    pub(super) exhausted: bool,
    pub(super) transaction: Transaction,
}

impl Exchange {
    pub(super) fn get(uri: &str) -> Self {
        Self {
            method: b"GET".to_vec(),
            uri: uri.into(),
            version: Version::Http11,
            headers: vec![field("Host", "localhost")],
            body: Vec::new(),
            status: 200,
            response_headers: vec![field("Content-Type", "text/html")],
            response_body: Vec::new(),
            client: SocketAddr::from(([200, 249, 12, 31], 123)),
            server: SocketAddr::from(([200, 249, 12, 31], 80)),
            detect: false,
            work: 1 << 26,
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        }
    }

    pub(super) fn post(uri: &str, content_type: &str, body: &str) -> Self {
        let mut exchange = Self { method: b"POST".to_vec(), body: body.into(), ..Self::get(uri) };
        exchange.headers.push(field("Content-Type", content_type));
        exchange
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push(field(name, value));
        self
    }

    /// Sends it through all phases.
    pub(super) fn through(&self, rules: &SecLang) -> Outcome {
        let mut scratch = Scratch::default();
        self.through_with(rules, &mut scratch)
    }

    pub(super) fn through_with(&self, rules: &SecLang, scratch: &mut Scratch) -> Outcome {
        let limits = Limits::DEFAULT;
        let fields = borrowed(&self.headers);
        let head = Head {
            method: &self.method,
            target: &self.uri,
            version: self.version,
            authority: None,
            headers: Headers::new(&fields),
        };
        let mut message = Message::parse_head(head, &limits, &mut rampart_message::Scratch::new());
        let opened = (!self.body.is_empty()).then(|| Body::open(&head.headers, &self.body, &limits));
        if let Some(opened) = &opened {
            message.parse_body(opened, &limits);
        }
        let beginning = Beginning {
            connection: Connection { client: self.client, server: self.server },
            unique_id: "unique",
            now: self.now,
            detect: self.detect,
            work: self.work,
        };
        let mut transaction = rules.begin(&beginning, scratch);
        transaction.request(Exempt::default(), &message, &limits, self.now, scratch);
        let fields = borrowed(&self.response_headers);
        let head = ResponseHead { status: self.status, version: self.version, headers: Headers::new(&fields) };
        transaction.response_head(&head, self.now, scratch);
        transaction.response_body(&self.response_body, false, self.now, scratch);
        transaction.log(self.now, scratch);
        Outcome {
            interruption: transaction.interruption().cloned(),
            would: transaction.would_interrupt().cloned(),
            ids: transaction.matched().iter().map(|matched| matched.id).collect(),
            log: transaction.log_lines().collect(),
            trace: transaction.trace().to_vec(),
            exhausted: transaction.is_exhausted(),
            transaction,
        }
    }
}

pub(super) fn field(name: &str, value: &str) -> (Vec<u8>, Vec<u8>) {
    (name.into(), value.into())
}

fn borrowed(fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<(&[u8], &[u8])> {
    fields.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect()
}

/// Rules from text, or what is wrong with them; `plain` asks for the slow and obvious way to run them.
pub(super) fn try_load(name: &str, text: &str, plain: bool) -> Result<SecLang, Vec<String>> {
    let files = MemoryFiles::new().with(name, text.as_bytes().to_vec());
    let report = Report::new();
    let load = if plain { SecLang::load_plain } else { SecLang::load };
    let loaded = load(&[name], &files, &report);
    let messages = report.into_sorted().iter().map(ToString::to_string).collect::<Vec<_>>();
    loaded.ok_or(messages)
}

/// Rules from text that is right.
pub(super) fn load(text: &str) -> SecLang {
    try_load("rules.conf", text, false).unwrap_or_else(|errors| panic!("{errors:#?}\n{text}"))
}

/// The same, run the slow and obvious way.
pub(super) fn load_plain(text: &str) -> SecLang {
    try_load("rules.conf", text, true).unwrap_or_else(|errors| panic!("{errors:#?}\n{text}"))
}
