//! What a rule looks for ([`Category`]) and how grave a match is ([`Severity`]).
//!
//! Categories are a closed list: they are the vocabulary of profiles, exclusions, events and of the sentence that a
//! client reads, so a new one is a change of contract and not a string in a rule file.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The class of attack that a rule detects. Written in `snake_case` in rule files and events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// SQL injection (CWE-89).
    Sqli,
    /// Cross-site scripting (CWE-79).
    Xss,
    /// Path traversal (CWE-22).
    PathTraversal,
    /// Operating system command injection (CWE-78).
    CommandInjection,
    /// Local or remote file inclusion, stream wrappers (CWE-98).
    FileInclusion,
    /// Server-side template and expression-language injection (CWE-1336, CWE-917).
    TemplateInjection,
    /// Code of a scripting language handed to an interpreter (CWE-94).
    CodeInjection,
    /// Server-side request forgery (CWE-918).
    Ssrf,
    /// XML external entities and entity expansion (CWE-611, CWE-776).
    Xxe,
    /// Operators of document stores in place of values (CWE-943).
    NosqlInjection,
    /// LDAP filter injection (CWE-90).
    LdapInjection,
    /// Serialised objects and gadget chains (CWE-502).
    Deserialization,
    /// JNDI look-ups in logged text (CVE-2021-44228 and kin).
    Log4shell,
    /// Abuse of HTTP itself: header injection, null bytes, bad encodings.
    Protocol,
    /// Vulnerability scanners and attack tools that say who they are.
    Scanner,
    /// Text that tries to overrule a model's instructions (OWASP LLM01).
    PromptInjection,
    /// A session identifier that the attacker chose (CWE-384).
    SessionFixation,
    /// Error messages, source code and listings in a response (CWE-200).
    DataLeakage,
    /// Requests that are made to cost much (CWE-400).
    DenialOfService,
    /// What fits none of these: rules of other makers that do not say.
    Other,
}

impl Category {
    /// Every category, in the order of declaration.
    pub const ALL: [Self; 20] = [
        Self::Sqli,
        Self::Xss,
        Self::PathTraversal,
        Self::CommandInjection,
        Self::FileInclusion,
        Self::TemplateInjection,
        Self::CodeInjection,
        Self::Ssrf,
        Self::Xxe,
        Self::NosqlInjection,
        Self::LdapInjection,
        Self::Deserialization,
        Self::Log4shell,
        Self::Protocol,
        Self::Scanner,
        Self::PromptInjection,
        Self::SessionFixation,
        Self::DataLeakage,
        Self::DenialOfService,
        Self::Other,
    ];

    /// The name in rule files, events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqli => "sqli",
            Self::Xss => "xss",
            Self::PathTraversal => "path_traversal",
            Self::CommandInjection => "command_injection",
            Self::FileInclusion => "file_inclusion",
            Self::TemplateInjection => "template_injection",
            Self::CodeInjection => "code_injection",
            Self::Ssrf => "ssrf",
            Self::Xxe => "xxe",
            Self::NosqlInjection => "nosql_injection",
            Self::LdapInjection => "ldap_injection",
            Self::Deserialization => "deserialization",
            Self::Log4shell => "log4shell",
            Self::Protocol => "protocol",
            Self::Scanner => "scanner",
            Self::PromptInjection => "prompt_injection",
            Self::SessionFixation => "session_fixation",
            Self::DataLeakage => "data_leakage",
            Self::DenialOfService => "denial_of_service",
            Self::Other => "other",
        }
    }

    /// What people are told was found: "Potential SQL injection detected in ...".
    pub const fn title(self) -> &'static str {
        match self {
            Self::Sqli => "SQL injection",
            Self::Xss => "cross-site scripting",
            Self::PathTraversal => "path traversal",
            Self::CommandInjection => "command injection",
            Self::FileInclusion => "file inclusion",
            Self::TemplateInjection => "template injection",
            Self::CodeInjection => "code injection",
            Self::Ssrf => "server-side request forgery",
            Self::Xxe => "XML external entity injection",
            Self::NosqlInjection => "NoSQL injection",
            Self::LdapInjection => "LDAP injection",
            Self::Deserialization => "unsafe deserialization",
            Self::Log4shell => "JNDI look-up injection",
            Self::Protocol => "protocol attack",
            Self::Scanner => "scanner",
            Self::PromptInjection => "prompt injection",
            Self::SessionFixation => "session fixation",
            Self::DataLeakage => "data leakage",
            Self::DenialOfService => "denial of service",
            Self::Other => "attack",
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How grave a match is. The scores are those of the OWASP CRS, so that thresholds mean the same in both rule sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth a line in the log; 2 points.
    Notice,
    /// Suspicious; 3 points.
    Warning,
    /// Likely an attack; 4 points.
    Error,
    /// An attack; 5 points, the default threshold.
    #[default]
    Critical,
}

impl Severity {
    /// Points added to the anomaly score.
    pub const fn score(self) -> u32 {
        match self {
            Self::Notice => 2,
            Self::Warning => 3,
            Self::Error => 4,
            Self::Critical => 5,
        }
    }

    /// The name in rule files and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
