//! A URL, as far as it says where to go.

use http::Uri;
use http::uri::Scheme;

use crate::error::FetchError;

/// Where to go, and what to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) secure: bool,
    /// A name or an address; without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The value of `Host`.
    pub(crate) authority: String,
    /// Path and query, beginning with a slash.
    pub(crate) path: String,
}

impl Target {
    pub(crate) fn parse(url: &str) -> Result<Self, FetchError> {
        let uri: Uri = url.parse().map_err(|_| FetchError::Address)?;
        let secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(FetchError::Address),
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.ok_or(FetchError::Address)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        // A port that is no number is not an absent one.
        let port_is_wrong = authority.port_u16().is_none() && authority.as_str() != authority.host();
        if host.is_empty() || port_is_wrong {
            return Err(FetchError::Address);
        }
        Ok(Self {
            secure,
            host: host.to_ascii_lowercase(),
            port: authority.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            authority: authority.as_str().to_ascii_lowercase(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }

    /// Where a redirect leads: the same scheme, host and port, or nowhere.
    pub(crate) fn redirected(&self, location: &str) -> Option<Self> {
        let next = if location.starts_with('/') && !location.starts_with("//") {
            let path = location.split('#').next().unwrap_or_default();
            let uri: Uri = path.parse().ok()?;
            Self { path: uri.path_and_query()?.as_str().to_owned(), ..self.clone() }
        } else {
            Self::parse(location).ok()?
        };
        let origin = |target: &Self| (target.secure, target.host.clone(), target.port);
        (origin(&next) == origin(self)).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_says() {
        fn check(url: &str, expect: Option<(bool, &str, u16, &str)>) {
            let target = Target::parse(url).ok();
            let found = target.as_ref().map(|at| (at.secure, at.host.as_str(), at.port, at.path.as_str()));
            assert_eq!(found, expect, "{url}");
        }
        check("https://a.example", Some((true, "a.example", 443, "/")));
        check("https://A.example/x?y=z", Some((true, "a.example", 443, "/x?y=z")));
        check("http://127.0.0.1:8080/x", Some((false, "127.0.0.1", 8080, "/x")));
        check("https://[::1]:8443/x", Some((true, "::1", 8443, "/x")));
        check("https://a.example/x#part", Some((true, "a.example", 443, "/x")));
        check("https://user:pass@a.example/", None);
        check("https://a.example:x/", None);
        check("https://a.example:/", None);
        check("https://a.example:99999/", None);
        check("ftp://a.example/", None);
        check("a.example/x", None);
        check("/x", None);
        check("https:///x", None);
        check("", None);
        check("https://a.example/a b", None);
        check("https://a.example/a\r\nHost: b", None);
    }

    #[test]
    fn redirects_stay_at_home() {
        fn check(location: &str, expect: Option<&str>) {
            let at = Target::parse("https://a.example/old").unwrap();
            assert_eq!(at.redirected(location).map(|next| next.path).as_deref(), expect, "{location}");
        }
        check("/new", Some("/new"));
        check("/new?x=1#y", Some("/new?x=1"));
        check("https://a.example/new", Some("/new"));
        check("https://A.EXAMPLE:443/new", Some("/new"));
        check("http://a.example/new", None);
        check("https://a.example:8443/new", None);
        check("https://b.example/new", None);
        check("https://a.example@b.example/new", None);
        check("//b.example/new", None);
        check("new", None);
        check("", None);
    }
}
