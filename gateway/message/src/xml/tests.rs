//! The table of documents, and what hostile ones cost.

use super::parse;
use crate::collector::{Collector, Problems};
use crate::json::Outcome;
use crate::render::locate_node;
use crate::{Aspect, Detail, Limits, Name, ProblemCode, Step};

struct Read {
    outcome: Outcome,
    values: Vec<(String, Aspect, String)>,
    codes: Vec<ProblemCode>,
    limits: Vec<(&'static str, u64)>,
}

fn read(bytes: &[u8]) -> Read {
    let (mut values, mut nodes, mut problems) = (Vec::new(), Vec::new(), Problems::new());
    let limits = Limits::DEFAULT;
    let mut out = Collector { values: &mut values, nodes: &mut nodes, problems: &mut problems, limits: &limits };
    let root = out.root(Step::Root).unwrap();
    let outcome = parse(bytes, root, &mut out);
    let values = values.iter().map(|value| {
        let Name::Node(node) = value.name else { panic!("an XML value without a place") };
        (locate_node(&nodes, node), value.aspect, String::from_utf8_lossy(&value.bytes).into_owned())
    });
    let limits = problems.iter().filter_map(|problem| match problem.detail {
        Detail::Limit { limit, actual, .. } => Some((limit, actual)),
        _ => None,
    });
    let codes = problems.iter().map(|problem| problem.code).filter(|code| *code != ProblemCode::LimitExceeded);
    Read { outcome, values: values.collect(), codes: codes.collect(), limits: limits.collect() }
}

fn check(input: &str, expect: &[(&str, Aspect, &str)], codes: &[ProblemCode], outcome: Outcome) {
    let got = read(input.as_bytes());
    let values: Vec<_> = got.values.iter().map(|(p, a, v)| (p.as_str(), *a, v.as_str())).collect();
    assert_eq!((values.as_slice(), got.codes.as_slice(), got.outcome), (expect, codes, outcome), "{input}");
}

#[test]
fn documents() {
    use Aspect::{Attribute, Comment, Instruction, Text};
    let whole = |input: &str, expect: &[(&str, Aspect, &str)]| check(input, expect, &[], Outcome::Whole);
    whole("<a/>", &[]);
    whole("<a>x</a>", &[("xml.a", Text, "x")]);
    whole("<?xml version='1.0' encoding='UTF-8'?>\n<a>x</a>\n", &[("xml.a", Text, "x")]);
    whole(
        "<a><b id='1' c=\"d\">x</b><b>y</b></a>",
        &[
            ("xml.a.b.@id", Attribute, "1"),
            ("xml.a.b.@c", Attribute, "d"),
            ("xml.a.b", Text, "x"),
            ("xml.a.b", Text, "y"),
        ],
    );
    whole("<a>&lt;script&gt;&amp;&quot;&apos;&#65;&#x42;</a>", &[("xml.a", Text, "<script>&\"'AB")]);
    whole("<a b='&lt;'/>", &[("xml.a.@b", Attribute, "<")]);
    whole("<a>un<!-- c -->ion<![CDATA[ <sel]]>ect</a>", &[("xml.a", Comment, " c "), ("xml.a", Text, "union <select")]);
    whole("<a><?php echo?></a>", &[("xml.a", Instruction, "php echo")]);
    whole("<s:a xmlns:s='u'>x</s:a>", &[("xml.s:a.@xmlns:s", Attribute, "u"), ("xml.s:a", Text, "x")]);
    whole("<a>x<b/>y</a>", &[("xml.a", Text, "x"), ("xml.a", Text, "y")]);
}

#[test]
fn entities_are_never_expanded() {
    use Aspect::{Doctype, Text};
    let xxe = "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\"> ]><a>&x;</a>";
    let doctype = xxe.split("<a>").next().unwrap();
    let codes = [ProblemCode::XmlDoctype, ProblemCode::XmlEntity];
    check(xxe, &[("xml", Doctype, doctype), ("xml.a", Text, "&x;")], &codes, Outcome::Whole);
    check(
        "<a>&nbsp;&#0x;&#xD800;&</a>",
        &[("xml.a", Text, "&nbsp;&#0x;&#xD800;&")],
        &[ProblemCode::XmlEntity],
        Outcome::Whole,
    );
    check("<!doctype a><a/>", &[("xml", Doctype, "<!doctype a>")], &[ProblemCode::XmlDoctype], Outcome::Whole);
}

#[test]
fn what_is_not_well_formed_is_read_on() {
    for (input, expect) in [
        ("", ""),
        ("text", "text"),
        ("<a>x", "x"),
        ("<a>x</b>", "x"),
        ("<a/><b>x</b>", "x"),
        ("</a>", ""),
        ("<a b=x/>", "x/"),
        ("<a b/>", ""),
        ("<a b='x", "x"),
        ("<a b='<'/>", "<"),
        ("<a><![CDATA[x</a>", "x</a>"),
        ("<a><!-- x</a>", " x</a>"),
        ("<a>1 < 2</a>", "1 < 2"),
        ("<a b='1' b='2'/>", "12"),
        ("<a x", ""),
        ("<!ELEMENT a><a/>", "<!ELEMENT a>"),
        ("<a ='/>x</a>", "x"),
    ] {
        let got = read(input.as_bytes());
        assert_eq!(got.outcome, Outcome::Broken, "{input}");
        assert!(got.codes.contains(&ProblemCode::MalformedXml), "{input}");
        assert_eq!(got.values.into_iter().map(|(_, _, value)| value).collect::<String>(), expect, "{input}");
    }
}

#[test]
fn the_declared_encoding_is_checked() {
    let codes = |label: &str| read(format!("<?xml version=\"1.0\" encoding = \"{label}\"?><a/>").as_bytes()).codes;
    assert_eq!(codes("utf-8"), []);
    assert_eq!(codes("UTF-7"), [ProblemCode::UnknownCharset]);
    assert_eq!(codes("IBM037"), [ProblemCode::UnknownCharset]);
}

#[test]
fn limits() {
    let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    assert_eq!(read(nested(32).as_bytes()).limits, []);
    assert_eq!(read(nested(33).as_bytes()).limits, [("xml_depth", 33)]);
    let deep = read(nested(100_000).as_bytes());
    assert_eq!((deep.outcome, deep.limits), (Outcome::Stopped, vec![("xml_depth", 513)]));
    let attributes = (0..65).map(|n| format!(" a{n}='x'")).collect::<Vec<_>>().concat();
    assert_eq!(read(format!("<a{attributes}/>").as_bytes()).limits, [("xml_attributes", 65)]);
    let long = "x".repeat(10_001);
    assert_eq!(read(format!("<a>{long}</a>").as_bytes()).limits, [("string_length", 10_001)]);
}

#[test]
fn hostile_documents_stay_linear() {
    let started = std::time::Instant::now();
    for hostile in ["<a ", "&", "<!--", "<![CDATA[", "<", "<!DOCTYPE [", "x<!---->", "<a b='", "</a>"] {
        let _ = read(hostile.repeat((1 << 20) / hostile.len()).as_bytes());
    }
    assert!(started.elapsed().as_secs() < 20);
}

proptest::proptest! {
    #[test]
    fn any_text(input in "[<>/!?&;#a='\" \\[\\]\\-CDATx0-9]{0,60}") {
        let got = read(input.as_bytes());
        // What is malformed says so, and nothing is made up.
        proptest::prop_assert_eq!(got.outcome == Outcome::Broken, got.codes.contains(&ProblemCode::MalformedXml));
        proptest::prop_assert!(got.values.iter().map(|(_, _, value)| value.len()).sum::<usize>() <= input.len());
    }

    #[test]
    fn texts_come_back(text in "[ -~é]{1,40}") {
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
        let got = read(format!("<a>{escaped}</a>").as_bytes());
        let expect = if text.trim_ascii().is_empty() { None } else { Some(text) };
        proptest::prop_assert_eq!(got.values.into_iter().next().map(|(_, _, value)| value), expect);
        proptest::prop_assert_eq!(got.outcome, Outcome::Whole);
    }
}
