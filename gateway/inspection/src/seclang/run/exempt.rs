//! Exclusions of routes and exemptions of profiles, for SecLang rules: a value that Rampart's grammar names is found
//! among those that SecLang makes.
//!
//! A value of SecLang that stands for a whole (`QUERY_STRING`, `REQUEST_LINE`) is none of the values that an exclusion
//! names; `uri`, `path` and `body` are.

use std::cell::OnceCell;

use rampart_message::{Kind, Message, Name};

use crate::exclusion::{Exempt, Judging};
use crate::seclang::program::About;
use crate::seclang::values::{ValueRef, Values};
use crate::seclang::variable::Source;
use crate::target::{Domain, Subject, SubjectName};

/// What is exempt in one message.
#[derive(Debug)]
pub(super) struct Exempted<'x, 'm, 'a> {
    exempt: Exempt<'x>,
    message: Option<&'m Message<'a>>,
    /// Where the values of the JSON document stand in the message, once somebody asked.
    json: OnceCell<Vec<u32>>,
}

impl<'x, 'm, 'a> Exempted<'x, 'm, 'a> {
    pub(super) const fn new(exempt: Exempt<'x>, message: Option<&'m Message<'a>>) -> Self {
        Self { exempt, message, json: OnceCell::new() }
    }

    /// Whether a match of this rule in the value at `index` does not count.
    pub(super) fn covers(&self, rule: &About, values: &Values<'_>, index: usize, value: &ValueRef<'_>) -> bool {
        if self.exempt.is_empty() {
            return false;
        }
        let Some(domain) = domain(value.source) else { return false };
        let (nodes, name) = match domain {
            Domain::Json | Domain::JsonName => match (self.message, self.node(values, index)) {
                (Some(message), Some(node)) => (message.nodes.as_slice(), SubjectName::Node(node)),
                _ => (&[][..], SubjectName::None),
            },
            _ if value.name.is_empty() => (&[][..], SubjectName::None),
            _ => (&[][..], SubjectName::Text(value.name)),
        };
        self.exempt.covers(Judging::SecLang(rule), domain, &Subject { nodes, name })
    }

    /// The place in the document of the argument at `index`. Arguments of a JSON body stand in the order of the values that
    /// the message has of it, each followed by its name.
    fn node(&self, values: &Values<'_>, index: usize) -> Option<u32> {
        let message = self.message?;
        let (first, _) = values.of(Source::ArgJson.bit()).next()?;
        let at = index.checked_sub(first)? / 2;
        let json = self.json.get_or_init(|| {
            let all = message.values.iter().filter(|value| value.kind == Kind::Json);
            all.filter_map(|value| if let Name::Node(node) = value.name { Some(node) } else { None }).collect()
        });
        json.get(at).copied()
    }
}

/// The domain of a value in Rampart's grammar.
const fn domain(source: Source) -> Option<Domain> {
    Some(match source {
        Source::ArgGet => Domain::Query,
        Source::ArgGetName => Domain::QueryName,
        Source::Cookie => Domain::Cookie,
        Source::CookieName => Domain::CookieName,
        Source::Header | Source::ServerName => Domain::Header,
        Source::HeaderName => Domain::HeaderName,
        Source::RequestBasename | Source::RequestFilename | Source::PathInfo => Domain::Path,
        Source::RequestMethod => Domain::Method,
        Source::RequestUri | Source::RequestUriRaw => Domain::Uri,
        Source::ArgPost => Domain::Form,
        Source::ArgPostName | Source::MultipartName => Domain::FormName,
        Source::ArgJson => Domain::Json,
        Source::ArgJsonName => Domain::JsonName,
        Source::File | Source::MultipartFilename => Domain::File,
        Source::FileName => Domain::FilePart,
        Source::FileContent => Domain::FileContent,
        Source::RequestBody => Domain::Body,
        Source::XmlText | Source::XmlAttribute => Domain::Xml,
        Source::QueryString
        | Source::RequestLine
        | Source::RequestProtocol
        | Source::RemoteAddr
        | Source::FileSize
        | Source::MultipartPartHeader
        | Source::ResponseHeader
        | Source::ResponseHeaderName
        | Source::ResponseStatus
        | Source::ResponseProtocol
        | Source::ResponseContentType
        | Source::ResponseBody => return None,
    })
}
