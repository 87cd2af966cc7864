//! The request target in its four forms (RFC 9112 section 3.2), split but not decoded.

/// Which form a target has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetForm {
    /// `/path?query`: the ordinary case.
    Origin,
    /// `http://host/path?query`: what a proxy is sent.
    Absolute,
    /// `host:port`: CONNECT.
    Authority,
    /// `*`: OPTIONS of the whole server.
    Asterisk,
}

/// A request target, split. All pieces are as received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Its form.
    pub form: TargetForm,
    /// The scheme of the absolute form.
    pub scheme: Option<&'a [u8]>,
    /// The authority of the absolute and the authority form.
    pub authority: Option<&'a [u8]>,
    /// The path; `/` where the absolute form has none, `*` of the asterisk form, empty in the authority form.
    pub path: &'a [u8],
    /// The query without its `?`; `None` where there is no `?`.
    pub query: Option<&'a [u8]>,
}

impl<'a> Target<'a> {
    /// Splits `target`; `None` where it has none of the four forms. `method` decides between the forms: only CONNECT
    /// has an authority, only OPTIONS an asterisk.
    pub fn split(method: &[u8], target: &'a [u8]) -> Option<Self> {
        match target {
            [b'/', ..] => Some(Self::with_path(TargetForm::Origin, target)),
            b"*" if method == b"OPTIONS" => Some(Self::with_path(TargetForm::Asterisk, target)),
            _ if method == b"CONNECT" => Self::authority_form(target),
            _ => Self::absolute_form(target),
        }
    }

    fn with_path(form: TargetForm, rest: &'a [u8]) -> Self {
        let (path, query) = match memchr::memchr(b'?', rest) {
            Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at + 1..)),
            None => (rest, None),
        };
        Self { form, scheme: None, authority: None, path: if path.is_empty() { b"/" } else { path }, query }
    }

    fn authority_form(target: &'a [u8]) -> Option<Self> {
        let plain = !target.is_empty() && !target.iter().any(|byte| matches!(byte, b'/' | b'?' | b'#' | b'@' | b'\\'));
        plain.then_some(Self {
            form: TargetForm::Authority,
            scheme: None,
            authority: Some(target),
            path: b"",
            query: None,
        })
    }

    fn absolute_form(target: &'a [u8]) -> Option<Self> {
        let at = memchr::memmem::find(target, b"://")?;
        let (scheme, rest) = (target.get(..at)?, target.get(at + 3..)?);
        let mut letters = scheme.iter();
        let well_formed = letters.next().is_some_and(u8::is_ascii_alphabetic)
            && letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#' | b'\\')).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(end)?;
        // Userinfo in a request target is an error (RFC 9110 section 4.2.4); a path may not start with a backslash.
        if !well_formed || authority.is_empty() || authority.contains(&b'@') || matches!(rest, [b'\\' | b'#', ..]) {
            return None;
        }
        let split = Self::with_path(TargetForm::Absolute, rest);
        Some(Self { scheme: Some(scheme), authority: Some(authority), ..split })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, target: &str, expect: Option<(TargetForm, Option<&str>, &str, Option<&str>)>) {
        let got = Target::split(method.as_bytes(), target.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let got = got.map(|t| (t.form, t.authority.map(text), text(t.path), t.query.map(text)));
        let expect = expect.map(|(form, host, path, query)| {
            (form, host.map(str::to_owned), path.to_owned(), query.map(str::to_owned))
        });
        assert_eq!(got, expect, "{method} {target}");
    }

    #[test]
    fn the_four_forms() {
        use TargetForm::{Absolute, Asterisk, Authority, Origin};
        check("GET", "/a?b", Some((Origin, None, "/a", Some("b"))));
        check("GET", "/a?", Some((Origin, None, "/a", Some(""))));
        check("GET", "/?a?b", Some((Origin, None, "/", Some("a?b"))));
        check("GET", "http://h", Some((Absolute, Some("h"), "/", None)));
        check("GET", "http://h:80?x=/", Some((Absolute, Some("h:80"), "/", Some("x=/"))));
        check("GET", "HTTPS://h/p://q?r", Some((Absolute, Some("h"), "/p://q", Some("r"))));
        check("OPTIONS", "*", Some((Asterisk, None, "*", None)));
        check("CONNECT", "h:443", Some((Authority, Some("h:443"), "", None)));
    }

    #[test]
    fn what_is_no_target() {
        check("GET", "", None);
        check("GET", "*", None);
        check("GET", "a/b", None);
        check("GET", "h:443", None);
        check("CONNECT", "", None);
        check("CONNECT", "u@h:443", None);
        check("GET", "http://u@h/", None);
        check("GET", "http:///a", None);
        check("GET", "http://h\\a", None);
        check("GET", "http://h#a", None);
        check("GET", "1http://h/", None);
        check("GET", "://h/", None);
    }
}
