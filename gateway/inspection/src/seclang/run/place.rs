//! Where a value stands, in the grammar of Rampart's own rules: `query.id`, `header.user-agent`, `root.title`.

use crate::seclang::variable::Source;

/// Bytes of a name that are shown.
const MAX_NAME: usize = 256;

/// The place of a value of this source and name.
pub(super) fn target(source: Source, name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name.get(..MAX_NAME).unwrap_or(name));
    let named = |kind: &str| if name.is_empty() { kind.to_owned() } else { format!("{kind}.{name}") };
    match source {
        Source::ArgGet | Source::ArgGetName => named("query"),
        Source::Cookie | Source::CookieName => named("cookie"),
        Source::Header | Source::HeaderName => named("header").to_ascii_lowercase(),
        Source::QueryString => "query".to_owned(),
        Source::RequestBasename | Source::RequestFilename | Source::PathInfo => "path".to_owned(),
        Source::RequestLine | Source::RequestProtocol => "request line".to_owned(),
        Source::RequestUri | Source::RequestUriRaw => "uri".to_owned(),
        Source::RequestMethod => "method".to_owned(),
        Source::RemoteAddr => "client address".to_owned(),
        Source::ServerName => "header.host".to_owned(),
        Source::ArgPost | Source::ArgPostName => named("form"),
        Source::ArgJson | Source::ArgJsonName => match name.strip_prefix("json.") {
            Some(path) => format!("root.{path}"),
            None => "root".to_owned(),
        },
        Source::File
        | Source::FileName
        | Source::FileSize
        | Source::MultipartFilename
        | Source::MultipartName
        | Source::MultipartPartHeader => named("file"),
        Source::FileContent => named("file_content"),
        Source::RequestBody => "body".to_owned(),
        Source::XmlText | Source::XmlAttribute => "xml".to_owned(),
        Source::ResponseHeader | Source::ResponseHeaderName => named("response.header").to_ascii_lowercase(),
        Source::ResponseStatus | Source::ResponseProtocol => "response.status".to_owned(),
        Source::ResponseContentType => "response.header.content-type".to_owned(),
        Source::ResponseBody => "response.body".to_owned(),
    }
}
