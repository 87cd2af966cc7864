//! Targets: which values of a request are meant. One grammar for rules, exclusions, cases and profiles.
//!
//! `KIND`, `KIND:NAME`, or either after a `!`, which takes values out again. Kinds: `path`, `query`, `header`, `cookie`,
//! `form`, `file` (the names of uploaded files), `file_content` (of those files, and of a body that is bytes and no text),
//! `json`, `xml`, `body` (a body that is one value: text, an unknown type), `method`, `uri` (the request target as
//! received), and `args` for query, form and JSON together. `query_names`, `header_names`, `cookie_names`, `form_names`,
//! `file_names`, `json_names`, `xml_names` and `args_names` are the names
//! themselves. A name is compared exactly, those of headers without case; a JSON name is a JSONPath (see
//! [`crate::jsonpath`]); an XML name is `/a/b` with `*` for any element, `@a` for an attribute and `//` for any depth.
//!
//! Values are sorted into [`Domain`]s, so that most rules are chosen by one bit and never compare a name.

use rampart_message::{Aspect, Kind, Message, Name, Node as DocumentNode, Step, Value};

use crate::jsonpath::{JsonPath, Node};

/// A class of inspected text: what a target without a name selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Domain {
    Path,
    Uri,
    Method,
    Query,
    QueryName,
    Header,
    HeaderName,
    Cookie,
    CookieName,
    Form,
    FormName,
    File,
    FileContent,
    FilePart,
    Json,
    JsonName,
    Xml,
    XmlName,
    Body,
}

impl Domain {
    /// Every domain, in the order of the enum.
    pub(crate) const ALL: [Self; 19] = [
        Self::Path,
        Self::Uri,
        Self::Method,
        Self::Query,
        Self::QueryName,
        Self::Header,
        Self::HeaderName,
        Self::Cookie,
        Self::CookieName,
        Self::Form,
        Self::FormName,
        Self::File,
        Self::FileContent,
        Self::FilePart,
        Self::Json,
        Self::JsonName,
        Self::Xml,
        Self::XmlName,
        Self::Body,
    ];

    /// The domain of a value's bytes.
    pub(crate) const fn of(kind: Kind, aspect: Aspect) -> Self {
        match (kind, aspect) {
            (Kind::Path, _) => Self::Path,
            (Kind::Query, _) => Self::Query,
            (Kind::Header, _) => Self::Header,
            (Kind::Cookie, _) => Self::Cookie,
            (Kind::Form, _) => Self::Form,
            (Kind::File | Kind::Body, Aspect::FileContent) => Self::FileContent,
            (Kind::File, _) => Self::File,
            (Kind::Json, _) => Self::Json,
            (Kind::Xml, _) => Self::Xml,
            (Kind::Body, _) => Self::Body,
        }
    }

    /// The domain of a name of a value of this kind.
    pub(crate) const fn of_name(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::Query => Self::QueryName,
            Kind::Header => Self::HeaderName,
            Kind::Cookie => Self::CookieName,
            Kind::Form => Self::FormName,
            Kind::File => Self::FilePart,
            Kind::Json => Self::JsonName,
            Kind::Xml => Self::XmlName,
            Kind::Path | Kind::Body => return None,
        })
    }

    const fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// A set of domains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Domains(u32);

impl Domains {
    pub(crate) const fn of(domains: &[Domain]) -> Self {
        let (mut set, mut rest) = (0, domains);
        while let [first, after @ ..] = rest {
            set |= first.bit();
            rest = after;
        }
        Self(set)
    }

    pub(crate) const fn holds(self, domain: Domain) -> bool {
        self.0 & domain.bit() != 0
    }

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Which values of the domains are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Selector {
    All,
    Name(Box<[u8]>),
    NameAnyCase(Box<[u8]>),
    Json(JsonPath),
    Xml(XmlPath),
}

/// One target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    domains: Domains,
    selector: Selector,
    excluded: bool,
    text: Box<str>,
}

/// Why a text is no target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetError {
    /// The kind is unknown.
    UnknownKind(String),
    /// This kind takes no name.
    NoName(&'static str),
    /// The name after the colon is empty.
    EmptyName,
    /// The name of a JSON or XML target is no path.
    Path(String),
}

impl std::fmt::Display for TargetError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownKind(kind) => write!(f, "unknown target \"{kind}\""),
            Self::NoName(kind) => write!(f, "`{kind}` takes no name"),
            Self::EmptyName => f.write_str("the name after the colon is empty"),
            Self::Path(reason) => f.write_str(reason),
        }
    }
}

/// The kinds of the grammar.
pub(crate) const KINDS: [(&str, Domains); 22] = [
    ("args", Domains::of(&[Domain::Query, Domain::Form, Domain::Json])),
    ("args_names", Domains::of(&[Domain::QueryName, Domain::FormName, Domain::FilePart, Domain::JsonName])),
    ("path", Domains::of(&[Domain::Path])),
    ("uri", Domains::of(&[Domain::Uri])),
    ("method", Domains::of(&[Domain::Method])),
    ("query", Domains::of(&[Domain::Query])),
    ("query_names", Domains::of(&[Domain::QueryName])),
    ("header", Domains::of(&[Domain::Header])),
    ("header_names", Domains::of(&[Domain::HeaderName])),
    ("cookie", Domains::of(&[Domain::Cookie])),
    ("cookie_names", Domains::of(&[Domain::CookieName])),
    ("form", Domains::of(&[Domain::Form])),
    ("form_names", Domains::of(&[Domain::FormName])),
    ("file", Domains::of(&[Domain::File])),
    ("file_names", Domains::of(&[Domain::FilePart])),
    ("file_content", Domains::of(&[Domain::FileContent])),
    ("json", Domains::of(&[Domain::Json])),
    ("json_names", Domains::of(&[Domain::JsonName])),
    ("xml", Domains::of(&[Domain::Xml])),
    ("xml_names", Domains::of(&[Domain::XmlName])),
    ("body", Domains::of(&[Domain::Body])),
    ("matched", Domains::of(&[])),
];

impl Target {
    /// Reads a target.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let (excluded, rest) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        let (kind, name) = rest.split_once(':').map_or((rest, None), |(kind, name)| (kind, Some(name)));
        let Some((kind, domains)) = KINDS.iter().find(|(known, _)| *known == kind) else {
            return Err(TargetError::UnknownKind(kind.to_owned()));
        };
        let selector = match name {
            None => Selector::All,
            Some("") => return Err(TargetError::EmptyName),
            Some(_) if matches!(*kind, "path" | "uri" | "method" | "body" | "matched") => {
                return Err(TargetError::NoName(kind));
            }
            Some(name) => selector(kind, name)?,
        };
        Ok(Self { domains: *domains, selector, excluded, text: text.into() })
    }

    /// The text it was read from.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// A value that this target selects, for cases.
    pub(crate) fn sample(&self) -> Sample<'_> {
        let Some(domain) = Domain::ALL.into_iter().find(|domain| self.domains.holds(*domain)) else {
            return Sample::Uri;
        };
        let plain =
            |kind, name| Sample::Value { kind, aspect: Aspect::Text, name: self.sample_name(name), is_name: false };
        let name_of = |kind| Sample::Value { kind, aspect: Aspect::Text, name: SampleName::None, is_name: true };
        match domain {
            Domain::Uri => Sample::Uri,
            Domain::Method => Sample::Method,
            Domain::Path => plain(Kind::Path, SampleName::None),
            Domain::Query => plain(Kind::Query, SampleName::Text(b"case")),
            Domain::Header => plain(Kind::Header, SampleName::Text(b"x-case")),
            Domain::Cookie => plain(Kind::Cookie, SampleName::Text(b"case")),
            Domain::Form => plain(Kind::Form, SampleName::Text(b"case")),
            Domain::Json => plain(Kind::Json, SampleName::Text(b"case")),
            Domain::Xml => plain(Kind::Xml, SampleName::Xml(vec![b"case"])),
            Domain::Body => plain(Kind::Body, SampleName::None),
            Domain::File | Domain::FileContent => Sample::Value {
                kind: Kind::File,
                aspect: if domain == Domain::File { Aspect::FileName } else { Aspect::FileContent },
                name: self.sample_name(SampleName::Text(b"case")),
                is_name: false,
            },
            Domain::QueryName => name_of(Kind::Query),
            Domain::HeaderName => name_of(Kind::Header),
            Domain::CookieName => name_of(Kind::Cookie),
            Domain::FormName => name_of(Kind::Form),
            Domain::FilePart => name_of(Kind::File),
            Domain::JsonName => name_of(Kind::Json),
            Domain::XmlName => name_of(Kind::Xml),
        }
    }

    fn sample_name<'t>(&'t self, otherwise: SampleName<'t>) -> SampleName<'t> {
        match &self.selector {
            Selector::All => otherwise,
            Selector::Name(name) | Selector::NameAnyCase(name) => SampleName::Text(name),
            Selector::Json(path) => SampleName::Json(path),
            Selector::Xml(path) => {
                SampleName::Xml(path.steps.iter().map(|step| step.name.as_deref().unwrap_or(b"any")).collect())
            }
        }
    }

    pub(crate) const fn is_matched(&self) -> bool {
        self.domains.0 == 0
    }

    /// Whether the target names this one (its `!` apart).
    pub(crate) fn selects(&self, domain: Domain, subject: &Subject<'_, '_>) -> bool {
        self.domains.holds(domain) && self.selector.selects(subject)
    }
}

fn selector(kind: &str, name: &str) -> Result<Selector, TargetError> {
    match kind {
        "json" | "json_names" => {
            JsonPath::parse(name).map(Selector::Json).map_err(|e| TargetError::Path(e.to_string()))
        }
        "xml" | "xml_names" => XmlPath::parse(name).map(Selector::Xml).map_err(|e| TargetError::Path(e.to_owned())),
        "header" | "header_names" => Ok(Selector::NameAnyCase(name.as_bytes().into())),
        _ => Ok(Selector::Name(name.as_bytes().into())),
    }
}

/// A place to put the string of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sample<'t> {
    Uri,
    Method,
    Value {
        kind: Kind,
        aspect: Aspect,
        name: SampleName<'t>,
        /// The string is the name of the value.
        is_name: bool,
    },
}

/// The name of the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SampleName<'t> {
    None,
    Text(&'t [u8]),
    Json(&'t JsonPath),
    Xml(Vec<&'t [u8]>),
}

/// What is inspected: some bytes of a message, and the name they bear.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'m, 'a> {
    pub(crate) nodes: &'m [DocumentNode<'a>],
    pub(crate) name: SubjectName<'m>,
}

/// The name of a subject.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SubjectName<'m> {
    None,
    Text(&'m [u8]),
    Node(u32),
}

impl<'m, 'a> Subject<'m, 'a> {
    /// The name, where it is plain bytes; otherwise empty.
    pub(crate) const fn plain_name(&self) -> &'m [u8] {
        if let SubjectName::Text(name) = self.name { name } else { b"" }
    }

    pub(crate) fn of(message: &'m Message<'a>, value: &'m Value<'a>) -> Self {
        let name = match &value.name {
            Name::None => SubjectName::None,
            Name::Text(text) => SubjectName::Text(text),
            Name::Node(node) => SubjectName::Node(*node),
        };
        Self { nodes: &message.nodes, name }
    }
}

impl Selector {
    fn selects(&self, subject: &Subject<'_, '_>) -> bool {
        match (self, subject.name) {
            (Self::All, _) => true,
            (Self::Name(wanted), SubjectName::Text(name)) => wanted.as_ref() == name,
            (Self::NameAnyCase(wanted), SubjectName::Text(name)) => wanted.eq_ignore_ascii_case(name),
            // `args:title` means the member `title` of a JSON document too.
            (Self::Name(wanted), SubjectName::Node(node)) => top_level(subject.nodes, node) == Some(wanted.as_ref()),
            (Self::Json(path), SubjectName::Node(node)) => json_selects(path, subject.nodes, node),
            (Self::Xml(path), SubjectName::Node(node)) => path.selects(&steps(subject.nodes, node)),
            _ => false,
        }
    }
}

/// The steps from the root to `node`, without the root of a JSON document.
fn steps<'m, 'a>(nodes: &'m [DocumentNode<'a>], node: u32) -> Vec<&'m Step<'a>> {
    let mut steps = Vec::new();
    let mut at = node;
    while let Some(found) = nodes.get(at as usize) {
        if matches!(found.step, Step::Root | Step::Part(_)) {
            break;
        }
        steps.push(&found.step);
        // A parent stands before its children, so this ends; a root is its own parent.
        if found.parent >= at {
            break;
        }
        at = found.parent;
    }
    steps.reverse();
    steps
}

fn json_selects(path: &JsonPath, nodes: &[DocumentNode<'_>], node: u32) -> bool {
    let names: Vec<Node<'_>> = steps(nodes, node)
        .into_iter()
        .map(|step| match step {
            Step::Index(index) => Node::Index(*index as usize),
            Step::Key(key) => Node::Key(key),
            Step::Element(name) | Step::Attribute(name) => Node::Key(name),
            Step::Root | Step::Part(_) => Node::Key(b""),
        })
        .collect();
    path.selects(&names)
}

fn top_level<'m>(nodes: &'m [DocumentNode<'_>], node: u32) -> Option<&'m [u8]> {
    match steps(nodes, node).as_slice() {
        [Step::Key(key)] => Some(key.as_ref()),
        _ => None,
    }
}

/// A path of XML names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct XmlPath {
    steps: Box<[XmlStep]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct XmlStep {
    deep: bool,
    attribute: bool,
    /// `None`: any.
    name: Option<Box<[u8]>>,
}

impl XmlPath {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let Some(after) = rest.strip_prefix('/') else { return Err("an XML path is written `/a/b`") };
            let (deep, after) = after.strip_prefix('/').map_or((false, after), |after| (true, after));
            let (name, after) = after.split_at(after.find('/').unwrap_or(after.len()));
            let (attribute, name) = name.strip_prefix('@').map_or((false, name), |name| (true, name));
            if name.is_empty() || name.contains(['[', '(']) {
                return Err("an XML path is written `/a/b`, `//b` or `/a/@c`; predicates are not supported");
            }
            let name = (name != "*").then(|| name.as_bytes().into());
            steps.push(XmlStep { deep, attribute, name });
            rest = after;
        }
        if steps.is_empty() || steps.len() > 32 {
            return Err("an XML path has 1 to 32 steps");
        }
        Ok(Self { steps: steps.into_boxed_slice() })
    }

    fn selects(&self, nodes: &[&Step<'_>]) -> bool {
        // reachable[i]: the steps before i fit the nodes seen so far.
        let mut reachable = vec![false; self.steps.len() + 1];
        if let Some(first) = reachable.first_mut() {
            *first = true;
        }
        for node in nodes {
            let mut next = vec![false; reachable.len()];
            for (i, step) in self.steps.iter().enumerate() {
                if !reachable.get(i).copied().unwrap_or(false) {
                    continue;
                }
                if step.fits(node)
                    && let Some(slot) = next.get_mut(i + 1)
                {
                    *slot = true;
                }
                if step.deep
                    && let Some(slot) = next.get_mut(i)
                {
                    *slot = true;
                }
            }
            reachable = next;
        }
        reachable.last().copied().unwrap_or(false)
    }
}

impl XmlStep {
    fn fits(&self, node: &Step<'_>) -> bool {
        let (attribute, name) = match node {
            Step::Element(name) => (false, *name),
            Step::Attribute(name) => (true, *name),
            _ => return false,
        };
        attribute == self.attribute && self.name.as_ref().is_none_or(|wanted| wanted.as_ref() == name)
    }
}

/// The targets of a rule or an exclusion: what they take in, less what they take out.
#[derive(Debug, Clone)]
pub(crate) struct Targets {
    included: Box<[Target]>,
    excluded: Box<[Target]>,
    /// Domains from which something is taken in.
    domains: Domains,
    /// Domains of which all is taken in, and nothing out.
    whole: Domains,
}

impl Targets {
    pub(crate) fn new(targets: Vec<Target>) -> Self {
        let (excluded, included): (Vec<_>, Vec<_>) = targets.into_iter().partition(|target| target.excluded);
        let union = |targets: &[Target]| targets.iter().fold(Domains::default(), |set, t| set.or(t.domains));
        let all: Vec<Target> = included.iter().filter(|t| t.selector == Selector::All).cloned().collect();
        let domains = union(&included);
        let whole = Domains(union(&all).0 & !union(&excluded).0);
        Self { included: included.into(), excluded: excluded.into(), domains, whole }
    }

    /// The domains from which values can be meant.
    pub(crate) const fn domains(&self) -> Domains {
        self.domains
    }

    /// Whether any value of this domain can be meant.
    pub(crate) const fn touches(&self, domain: Domain) -> bool {
        self.domains.holds(domain)
    }

    /// Whether all that is taken in lies in these domains.
    pub(crate) const fn within(&self, domains: Domains) -> bool {
        self.domains.0 & !domains.0 == 0
    }

    /// Whether this subject is meant.
    pub(crate) fn select(&self, domain: Domain, subject: &Subject<'_, '_>) -> bool {
        self.whole.holds(domain)
            || self.domains.holds(domain)
                && self.included.iter().any(|target| target.selects(domain, subject))
                && !self.excluded.iter().any(|target| target.selects(domain, subject))
    }

    /// The names to which the targets restrict this domain, when they do so by nothing but names.
    pub(crate) fn only_names(&self, domain: Domain) -> Option<Vec<Box<[u8]>>> {
        let touching = self.included.iter().filter(|target| target.domains.holds(domain));
        touching
            .map(|target| match &target.selector {
                Selector::NameAnyCase(name) => Some(name.clone()),
                _ => None,
            })
            .collect()
    }

    /// Whether the value that an earlier condition matched is meant.
    pub(crate) fn matched(&self) -> bool {
        self.included.iter().any(Target::is_matched)
    }

    pub(crate) fn included(&self) -> &[Target] {
        &self.included
    }
}
