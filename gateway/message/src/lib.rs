//! Requests and responses as Rampart's engines see them: named values with their place, every parser under limits.
//!
//! ```
//! use rampart_message::{Body, Head, Headers, Limits, Message, Scratch, Version};
//!
//! let fields: [(&[u8], &[u8]); 2] = [(b"Host", b"agents.example"), (b"Content-Type", b"application/json")];
//! let headers = Headers::new(&fields);
//! let head = Head { method: b"POST", target: b"/api/v1/tasks?dry=1", version: Version::Http11, authority: None, headers };
//! let (limits, mut scratch) = (Limits::DEFAULT, Scratch::new());
//!
//! let mut message = Message::parse_head(head, &limits, &mut scratch);
//! let body = Body::open(&headers, br#"{"title": "call", "title": "'; DROP TABLE users; --"}"#, &limits);
//! message.parse_body(&body, &limits);
//!
//! let shown: Vec<String> = message.values.iter().map(|value| message.locate_value(value)).collect();
//! assert_eq!(shown, ["path", "query.dry", "header.host", "header.content-type", "root.title", "root.title"]);
//! assert_eq!(message.describe(&message.problems[0]), "duplicate_key at root.title");
//! ```
//!
//! # Principles
//!
//! - **What a lenient backend might see is inspected.** A parser goes on past an error as far as it can, and a body that
//!   is not well-formed is one value of [`Kind::Body`] besides what was read of it.
//! - **What no two parsers agree on is a [`Problem`]**, with a stable code and a place. A parser never refuses: the profile
//!   decides ([`ProblemCode::refused_by_default`] says what the shipped one does).
//! - **Nothing is copied that need not be.** Values are slices of the request unless an escape had to be undone; places in
//!   documents are written out only when somebody reports them.
//! - **Time is linear in the input, memory bounded, recursion absent.** Each bound is one of [`Limits`], or [`MAX_DEPTH`].
//!
//! This crate never does I/O, reads no clock, refuses nothing and knows no rule.
//!
//! # What is made of each oddity
//!
//! Everything marked *notice* is inspected and let pass by the shipped profile; all else it refuses.
//!
//! | oddity | what is inspected | problem |
//! |---|---|---|
//! | **Target** of none of the four forms, with userinfo | header fields only | `bad_target` |
//! | **Path** with `%2e`, lower-case escapes, dot segments | normalised and raw form | none |
//! | path with `%zz`, `%u002e`, control bytes, `#`, a dot segment hidden behind `%2F`, `%5C` or `;` | both forms | `bad_path` |
//! | path with `%2F`, `\`, NUL, a second encoding, `;`, `//`, bytes that are no UTF-8 (overlong forms) | both forms | [`PathProblem`], judged by the route's [`PathPolicy`] |
//! | **Query or form**: `%` that starts no escape | kept as it is | `invalid_percent` |
//! | NUL, bytes that are no UTF-8 after decoding | decoded value | `nul_byte`, `invalid_charset` |
//! | repeated names, names without `=`, empty pieces, `;` | every pair; `;` is text | none |
//! | **Header** name that is no token; control byte in a value (folding too) | the field as received | `bad_header_name`, `bad_header_value` |
//! | second Host, Content-Length, Content-Type ... ; Content-Length with Transfer-Encoding | every field | `duplicate_header`; `ambiguous_framing` |
//! | bytes above 0x7f in a value | the field as received | `header_obs_text` (notice) |
//! | **Cookie** without `=` | a value without a name | `bad_cookie` (notice) |
//! | quotes around a cookie, escapes in it | without quotes, decoded once | none |
//! | **Content-Type** outside the grammar, repeated parameters | by its first reading | `bad_content_type` |
//! | no Content-Type | as text, and as what it looks like | `missing_content_type` (notice) |
//! | a type of pictures, sound, archives, bytes, and a beginning that is no text's | as a file's content (`file_content`) | none |
//! | text or unknown type that is JSON, XML or a urlencoded form; a "form" that is JSON or XML | as both | `mislabelled_body` (notice) |
//! | **Charset** UTF-16, UTF-32, ISO-8859-1, windows-1252, declared | converted to UTF-8 | none |
//! | UTF-16 or UTF-32 that is not declared, bytes that do not fit the charset | converted; as received | `invalid_charset` |
//! | UTF-7, EBCDIC, any other charset | as received | `unknown_charset` |
//! | byte order mark | without it | `byte_order_mark` (let pass) |
//! | **Content-Encoding** unknown | as received | `unknown_encoding` |
//! | broken, cut short, bytes after its end | what decoded | `bad_encoding`, `truncated_encoding`, `trailing_encoded_bytes` |
//! | text where a decoder skips it: gzip extra field, comment or odd name, skippable zstd frame, brotli metadata | what decoded | `bad_encoding` |
//! | **JSON**: repeated key | both values | `duplicate_key` |
//! | half a surrogate pair | U+FFFD in its place | `lone_surrogate` (let pass) |
//! | comments, trailing commas, `NaN`, open strings, control bytes in strings, unknown escapes | what was read, and the whole | `malformed_json` |
//! | bytes after the document | the document, and the whole | `trailing_json` |
//! | numbers of any size | as written | none (`number_length`) |
//! | NDJSON, JSON lines, JSON text sequences | each document, below `root[0]`, `root[1]` ... | none |
//! | **XML** with a document type | the declaration as a value; nothing is expanded | `xml_doctype` |
//! | unknown entities | as written | `xml_entity` |
//! | not well-formed | what was read, and the whole | `malformed_xml` |
//! | text cut by comments, CDATA, instructions | joined; comments and instructions apart | none |
//! | **Multipart** without, with an illegal or an absent boundary | by its first line, or as a whole | `bad_boundary`, `malformed_multipart` |
//! | no closing delimiter | the last part as far as it goes | `truncated_multipart` |
//! | text before or after the parts | as body | `multipart_outside` |
//! | LF alone, folded or bad header lines, blanks after delimiters | read on | `malformed_multipart` |
//! | missing, repeated or extended names, two dispositions, odd quotes | every name, the content once | `ambiguous_part` |
//! | multipart in a part; Content-Transfer-Encoding | the content as received | `nested_multipart`; `part_transfer_encoding` |
//! | a file | its name, and its content for the rules that ask for `file_content`: others do not judge it | none |
//! | an empty file name with content | the content as a field's and as a file's | none |
//! | JSON or XML in a field | its values, below `form.NAME` | as above |
//! | **More** than a limit | all of it, up to the bounds of the process | `limit_exceeded` |
//! | more values than `arguments`, deeper than [`MAX_DEPTH`] | what was read, and the whole | `limit_exceeded` |

mod body;
mod charset;
mod collector;
pub mod content_type;
pub mod cookies;
mod decode;
mod documents;
mod fields;
mod guess;
mod head;
mod json;
mod limits;
mod message;
mod multipart;
pub mod path;
pub mod percent;
mod problem;
mod render;
mod target;
#[cfg(test)]
mod testing;
mod urlencoded;
mod value;
mod xml;

pub use body::{Body, Processor};
pub use content_type::ContentType;
pub use documents::Document;
pub use head::{Head, Headers, ResponseHead, Version};
pub use limits::{Limits, MAX_DEPTH, RawLimits};
pub use message::{BodyFacts, Message, Scratch};
pub use multipart::{Fault, Faults, Multipart, Part};
pub use path::{NormalisedPath, PathPolicy, PathProblem, PathProblems, RawPathPolicy};
pub use problem::{At, Detail, Problem, ProblemClass, ProblemCode};
pub use target::{Target, TargetForm};
pub use value::{Aspect, Kind, Name, NameOf, Node, Step, Value};
