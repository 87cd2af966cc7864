//! The whole SecLang engine: a request and its response through all five phases, by a small program of every kind of rule
//! and, where `RAMPART_SHARED` says where it is, by the OWASP Core Rule Set.
//!
//! The input: a byte that chooses rules and media type, then, divided by NULs, the request target, header fields (a line
//! each), the request body and the response body.
#![no_main]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use libfuzzer_sys::fuzz_target;
use rampart_inspection::{
    Beginning, Connection, Exempt, Files, MemoryFiles, RootedFiles, Scratch, SecLang, Transaction,
};
use rampart_message::{Body, Head, Headers, Limits, Message, ResponseHead, Version};
use rampart_settings::Report;

/// Chains, counts, captures, collections, skips, arithmetic, removed targets, dynamic operators, every body processor.
const RULES: &str = r#"
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain application/json
SecRule REQUEST_HEADERS:Content-Type "@rx json" "id:1,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRule REQUEST_HEADERS:Content-Type "@rx xml" "id:2,phase:1,pass,nolog,ctl:requestBodyProcessor=XML"
SecAction "id:3,phase:1,pass,nolog,setvar:tx.score=0,initcol:ip=%{REMOTE_ADDR}"
SecRule ARGS|ARGS_NAMES|REQUEST_COOKIES|!REQUEST_COOKIES:/^_/|XML:/*|REQUEST_HEADERS "@rx (?i)(union).{0,20}(select)" "id:4,phase:2,pass,capture,t:none,t:urlDecodeUni,t:lowercase,msg:'%{TX.1} in %{MATCHED_VAR_NAME}',logdata:'%{MATCHED_VAR}',setvar:tx.score=+5,setvar:'tx.seen_%{TX.2}=%{MATCHED_VAR}'"
SecRule &ARGS "@gt 5" "id:5,phase:2,pass,setvar:tx.score=+1,skipAfter:LATER"
SecRule ARGS "@detectSQLi" "id:6,phase:2,pass,t:none,t:utf8toUnicode,t:urlDecodeUni,t:removeNulls,multiMatch,setvar:tx.score=+%{tx.score}"
SecRule ARGS|REQUEST_BODY "@detectXSS" "id:7,phase:2,pass,t:none,t:htmlEntityDecode,t:jsDecode,t:cssDecode,setvar:tx.score=+3"
SecMarker LATER
SecRule FILES|FILES_NAMES|MULTIPART_PART_HEADERS|MULTIPART_STRICT_ERROR "@rx [^\x20-\x7e]|\.php" "id:8,phase:2,pass,chain,t:none,t:base64Decode"
  SecRule MATCHED_VARS|MATCHED_VARS_NAMES "!@streq %{TX.score}" "t:sha1,t:hexEncode,setvar:ip.bad=+1"
SecRule ARGS:a "@within %{ARGS.b} x y" "id:9,phase:2,pass,ctl:ruleRemoveTargetById=10;ARGS:c,ctl:ruleRemoveById=11"
SecRule ARGS "@pm attack select <script ../" "id:10,phase:2,pass,t:none,t:cmdLine,t:normalizePath,t:compressWhitespace,setvar:tx.score=+2"
SecRule ARGS "@validateUtf8Encoding" "id:11,phase:2,pass,setvar:tx.score=+1"
SecRule REQUEST_URI_RAW|REQUEST_LINE "@validateUrlEncoding" "id:12,phase:1,pass,setvar:tx.score=+1"
SecRule REQBODY_ERROR|REQUEST_BODY_LENGTH|ARGS_COMBINED_SIZE "@ge 1" "id:13,phase:2,pass,t:none,t:length,setvar:!tx.seen_select"
SecRule ARGS "@validateByteRange 9,10,13,32-126" "id:14,phase:2,pass,t:none,t:escapeSeqDecode,t:replaceComments,t:urlDecode"
SecRule TX:/^seen_/ "@rx ." "id:15,phase:2,pass,msg:'%{MATCHED_VAR_NAME}'"
SecRule RESPONSE_HEADERS|RESPONSE_STATUS "@rx (5\d\d)" "id:16,phase:3,pass,capture,setvar:tx.score=+1"
SecRule RESPONSE_BODY "@contains SECRET" "id:17,phase:4,deny,status:403,t:none,t:lowercase,msg:'leak'"
SecRule TX:score "@ge 10" "id:18,phase:2,deny,status:403,msg:'score %{TX.score}'"
SecRule IP:bad "@gt 3" "id:19,phase:5,pass,msg:'again'"
"#;

/// Media types of requests.
const TYPES: [&[u8]; 5] = [
    b"application/x-www-form-urlencoded",
    b"application/json",
    b"text/xml",
    b"multipart/form-data; boundary=b",
    b"text/plain; charset=utf-8",
];
/// Bytes that transformations and operators may read.
const WORK: u64 = 16 << 20;
const NOW: SystemTime = SystemTime::UNIX_EPOCH;

fn load(patterns: &[PathBuf], files: &dyn Files) -> SecLang {
    let report = Report::new();
    SecLang::load(patterns, files, &report).unwrap_or_else(|| panic!("{:#?}", report.into_sorted()))
}

/// Loaded once: what is fuzzed is the run.
fn programs() -> &'static [SecLang] {
    static PROGRAMS: OnceLock<Vec<SecLang>> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let mut programs = vec![load(&["a.conf".into()], &MemoryFiles::new().with("a.conf", RULES))];
        if let Some(shared) = std::env::var_os("RAMPART_SHARED") {
            let crs = Path::new(&shared).join("crs");
            let patterns = [crs.join("crs-setup.conf.example"), crs.join("rules/*.conf")];
            programs.push(load(&patterns, &RootedFiles::new([crs]).expect("the Core Rule Set")));
        }
        programs
    })
}

/// What came of a transaction.
#[derive(Debug, PartialEq)]
struct Said {
    matched: Vec<(u32, String, String)>,
    score: u32,
    interruption: Option<(String, u16)>,
    exhausted: bool,
}

struct Asked<'a> {
    rules: &'a SecLang,
    message: &'a Message<'a>,
    response: ResponseHead<'a>,
    response_body: &'a [u8],
    limits: &'a Limits,
}

impl Asked<'_> {
    /// All phases, 1 and 2 at once or one after the other.
    fn ask(&self, at_once: bool, scratch: &mut Scratch) -> Said {
        let address = SocketAddr::from(([192, 0, 2, 1], 1));
        let connection = Connection { client: address, server: address };
        let beginning = Beginning { connection, unique_id: "fuzz", now: NOW, detect: false, work: WORK };
        let mut transaction = self.rules.begin(&beginning, scratch);
        if at_once {
            transaction.request(Exempt::default(), self.message, self.limits, NOW, scratch);
        } else {
            transaction.request_head(Exempt::default(), self.message, NOW, scratch);
            transaction.request_body(Exempt::default(), self.message, self.limits, NOW, scratch);
        }
        transaction.response_head(&self.response, NOW, scratch);
        let limit = transaction.response_body_limit().unwrap_or(0);
        let body = self.response_body.get(..limit).unwrap_or(self.response_body);
        transaction.response_body(body, body.len() < self.response_body.len(), NOW, scratch);
        transaction.log(NOW, scratch);
        let said = said(&transaction);
        transaction.recycle(scratch);
        said
    }
}

fn said(transaction: &Transaction) -> Said {
    for line in transaction.log_lines() {
        assert!(!line.is_empty() && !line.chars().any(char::is_control), "one line: {line:?}");
    }
    let matched = transaction.matched().iter().filter(|rule| rule.phase < 5);
    let interruption = transaction.interruption();
    Said {
        matched: matched.map(|rule| (rule.id, rule.variable.clone(), rule.msg.clone())).collect(),
        score: transaction.score(),
        interruption: interruption.map(|why| (why.rule.to_string(), why.status)),
        exhausted: transaction.is_exhausted(),
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&choice, rest)) = input.split_first() else { return };
    let mut parts = rest.splitn(4, |byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    let (target, lines, body, response_body) = (part(), part(), part(), part());
    let programs = programs();
    let choice = usize::from(choice);
    let (rules, media_type) = (&programs[choice % programs.len()], TYPES[choice / 2 % TYPES.len()]);

    let mut fields: Vec<(&[u8], &[u8])> = vec![(b"host", b"a.example"), (b"content-type", media_type)];
    for line in lines.split(|byte| *byte == b'\n').take(50) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        fields.push((&line[..colon], line.get(colon + 1..).unwrap_or_default()));
    }
    let headers = Headers::new(&fields);
    let limits = Limits::DEFAULT;
    let opened = Body::open(&headers, body, &limits);
    let head = Head { method: b"POST", target, version: Version::Http11, authority: None, headers };
    let mut buffers = rampart_message::Scratch::new();
    let mut message = Message::parse_head(head, &limits, &mut buffers);
    if !body.is_empty() {
        message.parse_body(&opened, &limits);
    }
    let response_fields: [(&[u8], &[u8]); 2] = [(b"content-type", b"text/plain"), (b"x-target", target)];
    let response = ResponseHead {
        status: if choice % 3 == 0 { 500 } else { 200 },
        version: Version::Http11,
        headers: Headers::new(&response_fields),
    };

    let asked = Asked { rules, message: &message, response, response_body, limits: &limits };
    let mut scratch = Scratch::default();
    let first = asked.ask(true, &mut scratch);
    // Buffers that were used before, and phases one by one: nothing of it may be seen.
    assert_eq!(asked.ask(false, &mut scratch), first);
    assert_eq!(asked.ask(true, &mut Scratch::default()), first);
});
