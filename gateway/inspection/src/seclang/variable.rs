//! The variables of SecLang, and the sources whose values they hold.
//!
//! A [`Source`] is where a value comes from: one argument of the query string, one cookie, the request line. A variable
//! that rules name is a set of sources ([`Variable::sources`]): `ARGS` is the arguments of the query and of the body.
//! Values are sorted by source, so that a value is scanned once, for all rules that look there.
//!
//! Some variables have no values of their own but are worked out when a rule asks ([`Variable::is_derived`]): `TX`, counts, sizes, what
//! the last rule matched, the time.
//!
//! Source: ModSecurity reference manual v3, "Variables".

/// Where a value comes from. Values of one source are inspected alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Source {
    // Known with the head.
    ArgGet,
    ArgGetName,
    Cookie,
    CookieName,
    Header,
    HeaderName,
    QueryString,
    RequestBasename,
    RequestFilename,
    RequestLine,
    RequestMethod,
    RequestProtocol,
    RequestUri,
    RequestUriRaw,
    RemoteAddr,
    ServerName,
    PathInfo,
    // Known with the body.
    ArgPost,
    ArgPostName,
    /// A scalar of a JSON body: in `ARGS`, but not in `ARGS_POST`.
    ArgJson,
    ArgJsonName,
    /// `FILES`: the file name of an upload; its own name is that of the field.
    File,
    /// `FILES_NAMES`: the name of the field of an upload.
    FileName,
    /// `FILES_TMP_CONTENT`
    FileContent,
    FileSize,
    MultipartFilename,
    MultipartName,
    MultipartPartHeader,
    RequestBody,
    XmlText,
    XmlAttribute,
    // Known with the head of the response.
    ResponseHeader,
    ResponseHeaderName,
    ResponseStatus,
    ResponseProtocol,
    ResponseContentType,
    // Known with the body of the response.
    ResponseBody,
}

impl Source {
    /// The sources whose values are known in a phase, 1 to 5.
    pub(crate) const fn known_by(phase: u8) -> Sources {
        let last = match phase {
            0 => return 0,
            1 => Self::PathInfo,
            2 => Self::XmlAttribute,
            3 => Self::ResponseContentType,
            _ => Self::ResponseBody,
        };
        last.bit() | (last.bit() - 1)
    }

    /// Its bit in a [`Sources`].
    pub(crate) const fn bit(self) -> u64 {
        1 << self as u8
    }
}

/// A set of sources, as bits by [`Source::bit`].
pub(crate) type Sources = u64;

/// Declares the variables: the enum, their names, and the sources of each (none: derived).
macro_rules! variables {
    ($($(#[$doc:meta])* $variant:ident = $name:literal [$($source:ident)*];)*) => {
        /// A variable as rules name it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) enum Variable { $($(#[$doc])* $variant,)* }

        impl Variable {
            /// Every variable that is supported.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in rule files, in upper case.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The sources whose values it holds; none for a derived variable.
            pub(crate) const fn sources(self) -> Sources {
                match self { $(Self::$variant => 0 $(| Source::$source.bit())*,)* }
            }
        }
    };
}

variables! {
    Args = "ARGS" [ArgGet ArgPost ArgJson];
    ArgsNames = "ARGS_NAMES" [ArgGetName ArgPostName ArgJsonName];
    ArgsGet = "ARGS_GET" [ArgGet];
    ArgsGetNames = "ARGS_GET_NAMES" [ArgGetName];
    ArgsPost = "ARGS_POST" [ArgPost];
    ArgsPostNames = "ARGS_POST_NAMES" [ArgPostName];
    ArgsCombinedSize = "ARGS_COMBINED_SIZE" [];
    Files = "FILES" [File];
    FilesNames = "FILES_NAMES" [FileName];
    FilesSizes = "FILES_SIZES" [FileSize];
    FilesCombinedSize = "FILES_COMBINED_SIZE" [];
    FilesTmpContent = "FILES_TMP_CONTENT" [FileContent];
    MultipartFilename = "MULTIPART_FILENAME" [MultipartFilename];
    MultipartName = "MULTIPART_NAME" [MultipartName];
    MultipartPartHeaders = "MULTIPART_PART_HEADERS" [MultipartPartHeader];
    MultipartStrictError = "MULTIPART_STRICT_ERROR" [];
    MultipartUnmatchedBoundary = "MULTIPART_UNMATCHED_BOUNDARY" [];
    MultipartBoundaryQuoted = "MULTIPART_BOUNDARY_QUOTED" [];
    MultipartBoundaryWhitespace = "MULTIPART_BOUNDARY_WHITESPACE" [];
    MultipartDataBefore = "MULTIPART_DATA_BEFORE" [];
    MultipartDataAfter = "MULTIPART_DATA_AFTER" [];
    MultipartHeaderFolding = "MULTIPART_HEADER_FOLDING" [];
    MultipartInvalidHeaderFolding = "MULTIPART_INVALID_HEADER_FOLDING" [];
    MultipartInvalidQuoting = "MULTIPART_INVALID_QUOTING" [];
    MultipartInvalidPart = "MULTIPART_INVALID_PART" [];
    MultipartLfLine = "MULTIPART_LF_LINE" [];
    MultipartCrlfLfLines = "MULTIPART_CRLF_LF_LINES" [];
    MultipartMissingSemicolon = "MULTIPART_MISSING_SEMICOLON" [];
    MultipartSemicolonMissing = "MULTIPART_SEMICOLON_MISSING" [];
    MultipartFileLimitExceeded = "MULTIPART_FILE_LIMIT_EXCEEDED" [];
    MatchedVar = "MATCHED_VAR" [];
    MatchedVarName = "MATCHED_VAR_NAME" [];
    MatchedVars = "MATCHED_VARS" [];
    MatchedVarsNames = "MATCHED_VARS_NAMES" [];
    QueryString = "QUERY_STRING" [QueryString];
    PathInfo = "PATH_INFO" [PathInfo];
    RemoteAddr = "REMOTE_ADDR" [RemoteAddr];
    RemoteHost = "REMOTE_HOST" [RemoteAddr];
    RemotePort = "REMOTE_PORT" [];
    RemoteUser = "REMOTE_USER" [];
    AuthType = "AUTH_TYPE" [];
    ServerAddr = "SERVER_ADDR" [];
    ServerName = "SERVER_NAME" [ServerName];
    ServerPort = "SERVER_PORT" [];
    ReqbodyError = "REQBODY_ERROR" [];
    ReqbodyErrorMsg = "REQBODY_ERROR_MSG" [];
    ReqbodyProcessor = "REQBODY_PROCESSOR" [];
    ReqbodyProcessorError = "REQBODY_PROCESSOR_ERROR" [];
    ReqbodyProcessorErrorMsg = "REQBODY_PROCESSOR_ERROR_MSG" [];
    RequestBasename = "REQUEST_BASENAME" [RequestBasename];
    RequestBody = "REQUEST_BODY" [RequestBody];
    RequestBodyLength = "REQUEST_BODY_LENGTH" [];
    RequestCookies = "REQUEST_COOKIES" [Cookie];
    RequestCookiesNames = "REQUEST_COOKIES_NAMES" [CookieName];
    RequestFilename = "REQUEST_FILENAME" [RequestFilename];
    RequestHeaders = "REQUEST_HEADERS" [Header];
    RequestHeadersNames = "REQUEST_HEADERS_NAMES" [HeaderName];
    RequestLine = "REQUEST_LINE" [RequestLine];
    RequestMethod = "REQUEST_METHOD" [RequestMethod];
    RequestProtocol = "REQUEST_PROTOCOL" [RequestProtocol];
    RequestUri = "REQUEST_URI" [RequestUri];
    RequestUriRaw = "REQUEST_URI_RAW" [RequestUriRaw];
    FullRequest = "FULL_REQUEST" [];
    FullRequestLength = "FULL_REQUEST_LENGTH" [];
    ResponseBody = "RESPONSE_BODY" [ResponseBody];
    ResponseContentLength = "RESPONSE_CONTENT_LENGTH" [];
    ResponseContentType = "RESPONSE_CONTENT_TYPE" [ResponseContentType];
    ResponseHeaders = "RESPONSE_HEADERS" [ResponseHeader];
    ResponseHeadersNames = "RESPONSE_HEADERS_NAMES" [ResponseHeaderName];
    ResponseProtocol = "RESPONSE_PROTOCOL" [ResponseProtocol];
    ResponseStatus = "RESPONSE_STATUS" [ResponseStatus];
    InboundDataError = "INBOUND_DATA_ERROR" [];
    OutboundDataError = "OUTBOUND_DATA_ERROR" [];
    Tx = "TX" [];
    /// What `@geoLookup` found: always empty, because countries are not looked up.
    Geo = "GEO" [];
    Global = "GLOBAL" [];
    Ip = "IP" [];
    Session = "SESSION" [];
    User = "USER" [];
    Resource = "RESOURCE" [];
    /// Of the rule that runs: `RULE.id`, `RULE.msg`, `RULE.severity` ...
    Rule = "RULE" [];
    HighestSeverity = "HIGHEST_SEVERITY" [];
    UniqueId = "UNIQUE_ID" [];
    /// Milliseconds since the transaction began.
    Duration = "DURATION" [];
    WebAppId = "WEBAPPID" [];
    Time = "TIME" [];
    TimeEpoch = "TIME_EPOCH" [];
    TimeYear = "TIME_YEAR" [];
    TimeMon = "TIME_MON" [];
    TimeDay = "TIME_DAY" [];
    TimeHour = "TIME_HOUR" [];
    TimeMin = "TIME_MIN" [];
    TimeSec = "TIME_SEC" [];
    TimeWday = "TIME_WDAY" [];
    /// `XML:/*`: the text of the document.
    Xml = "XML" [XmlText];
    /// `XML://@*`: the values of its attributes.
    XmlAttributes = "XML://@*" [XmlAttribute];
}

impl Variable {
    /// The variable of this name, upper and lower case alike.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|variable| variable.as_str().eq_ignore_ascii_case(name))
    }

    /// Whether it is worked out when a rule asks, and has no values that are scanned.
    pub(crate) const fn is_derived(self) -> bool {
        self.sources() == 0
    }
}

impl Variable {
    /// Whether it is a flag that the multipart reader sets.
    pub(crate) const fn is_multipart_flag(self) -> bool {
        matches!(
            self,
            Self::MultipartStrictError
                | Self::MultipartUnmatchedBoundary
                | Self::MultipartBoundaryQuoted
                | Self::MultipartBoundaryWhitespace
                | Self::MultipartDataBefore
                | Self::MultipartDataAfter
                | Self::MultipartHeaderFolding
                | Self::MultipartInvalidHeaderFolding
                | Self::MultipartInvalidQuoting
                | Self::MultipartInvalidPart
                | Self::MultipartLfLine
                | Self::MultipartCrlfLfLines
                | Self::MultipartMissingSemicolon
                | Self::MultipartSemicolonMissing
        )
    }
}
