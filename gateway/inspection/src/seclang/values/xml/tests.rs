//! Expectations are what libmodsecurity 3.0.9 (with libxml2) says of the same body, unless a comment says otherwise.

use super::super::testing::{Seen, seen};
use crate::seclang::ast::BodyProcessor;

fn read(body: &[u8]) -> Seen {
    let head = b"POST /x HTTP/1.1\r\nContent-Type: application/octet-stream\r\n\r\n";
    seen(&[&head[..], body].concat(), Some(BodyProcessor::Xml))
}

/// `text`: `XML:/*`, or `None` where there is no root element.
fn check(body: &str, text: Option<&str>, attributes: &[&str], error: &str) {
    let seen = read(body.as_bytes());
    let expect: Vec<_> = text.map(|text| format!("/*={}", text.as_bytes().escape_ascii())).into_iter().collect();
    assert_eq!(seen.values("XML"), expect, "{body}");
    let expect: Vec<_> = attributes.iter().map(|text| format!("//@*={}", text.as_bytes().escape_ascii())).collect();
    assert_eq!(seen.values("XML://@*"), expect, "{body}");
    assert_eq!(seen.scalar("REQBODY_ERROR"), error, "{body}");
    assert_eq!(seen.scalar("REQBODY_PROCESSOR"), "XML");
    assert_eq!(seen.values("ARGS"), [""; 0]);
}

#[test]
fn text_is_all_of_the_root_element() {
    check("<a/>", Some(""), &[], "0");
    check(" <a></a> ", Some(""), &[], "0");
    check(
        "<?xml version=\"1.0\"?>\n<a>\n <b>t<!--c-->u</b> <c><![CDATA[<z>]]>&amp;</c><?pi d?>\n <d/>v</a>\n",
        Some("\n tu <z>&\n v"),
        &[],
        "0",
    );
    check("<a>x\r\ny\rz</a>", Some("x\ny\nz"), &[], "0");
    check("<a>&lt;&gt;&quot;&apos;&#x41;&#66;</a>", Some("<>\"'AB"), &[], "0");
    check("<a>é</a>", Some("é"), &[], "0");
    check("\u{feff}<a>x</a>", Some("x"), &[], "0");
    check("<!-- c --><x:a>x</x:a><!-- d -->", Some("x"), &[], "0");
    check("<a>\u{7f}</a>", Some("\u{7f}"), &[], "0");
}

#[test]
fn attributes_are_values_and_namespaces_are_none() {
    check("<a x='1' y=\"2&lt;\"><b z=''/></a>", Some(""), &["1", "2<", ""], "0");
    check("<a q=\" x\ty\nz\r\n \"/>", Some(""), &[" x y z  "], "0");
    check("<a xmlns='u' xmlns:p='v' p:q='w' xml:lang='x'>t</a>", Some("t"), &["w", "x"], "0");
    check("<a q='\"'/>", Some(""), &["\""], "0");
}

#[test]
fn entities_that_the_document_declares() {
    check(
        "<!DOCTYPE a [<!ENTITY e \"v\"><!ENTITY f '&e;&e;'>]><a q='&f;'>&f;<b>&e;</b></a>",
        Some("vvv"),
        &["vv"],
        "0",
    );
    check("<!DOCTYPE a [<!ENTITY e 'v'><!ENTITY e 'w'>]><a>&e;</a>", Some("v"), &[], "0");
    check("<!DOCTYPE a [<!ENTITY f SYSTEM \"file:///etc/passwd\">]><a>x&f;y</a>", Some("xy"), &[], "0");
    check("<!DOCTYPE a SYSTEM \"http://x/y.dtd\"><a>&u;z</a>", Some("z"), &[], "0");
    check("<!DOCTYPE a [<!-- ]> --><?p ]>?><!ELEMENT a (b)>]><a>x</a>", Some("x"), &[], "0");
    check("<!DOCTYPE a><a>&u;</a>", Some(""), &[], "1");
    check("<!DOCTYPE a [<!ENTITY e '&e;'>]><a>&e;</a>", Some(""), &[], "1");
    // libmodsecurity has the elements in an entity as elements.
    check("<!DOCTYPE a [<!ENTITY e '<i>x</i>'>]><a>&e;</a>", Some("<i>x</i>"), &[], "0");
}

#[test]
fn entities_do_not_grow_without_bound() {
    let mut body = "<!DOCTYPE a [<!ENTITY e0 'lolololololololol'>".to_owned();
    for level in 1..16 {
        let text = format!("&e{};", level - 1).repeat(10);
        body.extend(["<!ENTITY e", &level.to_string(), " '", &text, "'>"]);
    }
    body += "]><a>&e15;</a>";
    let seen = read(body.as_bytes());
    assert_eq!(seen.scalar("REQBODY_ERROR"), "1");
    assert!(seen.values("XML").concat().len() < 2 * super::EXPANSION_MAX);
}

#[test]
fn what_is_not_well_formed_is_read_up_to_its_error() {
    check("", None, &[], "1");
    check("not xml", None, &[], "1");
    check("{\"a\":1}", None, &[], "1");
    check("<1a/>", None, &[], "1");
    check("< a/>", None, &[], "1");
    check(" <?xml version=\"1.0\"?><a>x</a>", None, &[], "1");
    check("<?xml?><a>x</a>", None, &[], "1");
    check("<?><a>x</a>", None, &[], "1");
    check("<a>x</a>y", Some("x"), &[], "1");
    check("<a/><b/>", Some(""), &[], "1");
    check("<a x='1'><b>text</c><e>more</e>", Some("text"), &["1"], "1");
    check("<a q='1'>t<b r='2", Some("t"), &["1"], "1");
    check("<a>a & b</a>", Some("a "), &[], "1");
    check("<a>]]></a>", Some(""), &[], "1");
    check("<a><!-- a -- b --></a>", Some(""), &[], "1");
    check("<a>\u{1}</a>", Some(""), &[], "1");
    check("<a>&#0;</a>", Some(""), &[], "1");
    check("<a>x</a><!DOCTYPE a>", Some("x"), &[], "1");
    check("<a x=1/>", Some(""), &[], "1");
    check("<a x='<'/>", Some(""), &[], "1");
    check("<a b/>", Some(""), &[], "1");
    // libmodsecurity has no attributes of a tag that is not well-formed.
    check("<a x='1' x='2'/>", Some(""), &["1", "2"], "1");
    check("<a q='1'r='2'/>", Some(""), &["1"], "1");
}

#[test]
fn bytes_that_are_no_utf_8() {
    let broken = read(b"<a>\xe9</a>");
    assert_eq!((broken.values("XML"), broken.scalar("REQBODY_ERROR")), (vec!["/*=\\xe9".to_owned()], "1".to_owned()));
    let declared = read(b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xe9</a>");
    assert_eq!(declared.scalar("REQBODY_ERROR"), "0");
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("<a>{}x{}</a>", "<b>".repeat(depth), "</b>".repeat(depth));
    check(&nested(256), Some("x"), &[], "0");
    check(&nested(257), Some(""), &[], "1");
    check(&nested(100_000), Some(""), &[], "1");
}

proptest::proptest! {
    #[test]
    fn text_between_tags_is_joined(texts in proptest::collection::vec("[a-z \\n]{0,8}", 1..12)) {
        let body = format!("<a>{}</a>", texts.join("<b c='d'/>"));
        let seen = read(body.as_bytes());
        proptest::prop_assert_eq!(seen.values("XML"), [format!("/*={}", texts.concat().as_bytes().escape_ascii())]);
        proptest::prop_assert_eq!(seen.values("XML://@*").len(), texts.len() - 1);
    }

    #[test]
    fn any_bytes(body: Vec<u8>) {
        read(&body);
    }
}
