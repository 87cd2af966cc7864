//! Content codings undone (RFC 9110 section 8.4): gzip, deflate, br and zstd, one upon another, under bounds.
//!
//! Output is bounded in bytes (`decoded_body`) and in proportion to the input (`decompression_ratio`), so what a
//! small body can make of itself is known before it is read. `deflate` is taken with and without its zlib wrapper,
//! because servers differ (RFC 9110 section 8.4.1.2). Several gzip members or zstd frames are one text (RFC 1952 section
//! 2.2, RFC 8878 section 3.1). zstd windows over 8 MiB are refused (RFC 8878 section 3.1.1.1.2), brotli's stay below 16 MiB.
//!
//! | input | what happens |
//! |---|---|
//! | a coding that is not known, or more than `content_encodings` | not decoded: `unknown_encoding`, `limit_exceeded` |
//! | broken after some output | that output is inspected; `bad_encoding` |
//! | ends early | what decoded is inspected; `truncated_encoding` |
//! | bytes after the end | ignored; `trailing_encoded_bytes` |
//! | a gzip member with an extra field, a comment, reserved flags, or a name that is no plain file name; a skippable zstd frame, metadata in brotli | the text is inspected; `bad_encoding`, because what a decoder skips is forwarded and seen by nobody |
//! | more output than a bound | cut there; `limit_exceeded` |

use std::borrow::Cow;
use std::io::{ErrorKind, Read};

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};
use smallvec::SmallVec;

use crate::collector::{Problems, note};
use crate::{At, Headers, Limits, Problem, ProblemCode};

/// Below this much output the ratio does not matter: short repetitive texts compress very well.
const RATIO_FREE: usize = 64 << 10;
/// Bytes decoded at a step.
const STEP: usize = 16 << 10;
/// Bytes of brotli given at a step: metadata that is shorter may not be seen.
const BROTLI_STEP: usize = 8;
/// The largest zstd window, as a power of two.
const ZSTD_WINDOW_LOG: u32 = 23;
/// Flags of a gzip member (RFC 1952 section 2.3.1).
const GZIP_EXTRA: u8 = 1 << 2;
const GZIP_NAME: u8 = 1 << 3;
const GZIP_COMMENT: u8 = 1 << 4;
const GZIP_RESERVED: u8 = 0b1110_0000;
/// The longest name of a file in a gzip member that is taken for one.
const GZIP_NAME_MAX: usize = 255;

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// Why a coding did not decode to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Broken,
    Truncated,
    /// The output reached its bound.
    Cut,
}

/// A bounded output.
struct Output {
    bytes: Vec<u8>,
    bound: usize,
}

/// The text of `raw` below the codings that `headers` declare. `true` says that it is the whole text.
pub(crate) fn undo<'a>(
    headers: &Headers<'_>,
    raw: &'a [u8],
    limits: &Limits,
    problems: &mut Problems,
) -> (Cow<'a, [u8]>, bool) {
    let mut text = Cow::Borrowed(raw);
    let Some(codings) = declared(headers, limits, problems) else { return (text, false) };
    let by_ratio = raw.len().saturating_mul(limits.decompression_ratio).max(RATIO_FREE);
    for coding in codings.into_iter().rev() {
        let mut out = Output { bytes: Vec::new(), bound: limits.decoded_body.min(by_ratio) };
        let outcome = decode(coding, &text, &mut out, problems);
        text = Cow::Owned(out.bytes);
        let Err(trouble) = outcome else { continue };
        note(
            problems,
            match trouble {
                Trouble::Broken => Problem::offset(ProblemCode::BadEncoding, At::Body, text.len()),
                Trouble::Truncated => Problem::offset(ProblemCode::TruncatedEncoding, At::Body, text.len()),
                Trouble::Cut if out.bound == limits.decoded_body => {
                    Problem::limit("decoded_body", At::Body, out.bound.saturating_add(1), out.bound)
                }
                Trouble::Cut => {
                    let ratio = limits.decompression_ratio;
                    Problem::limit("decompression_ratio", At::Body, ratio.saturating_add(1), ratio)
                }
            },
        );
        return (text, false);
    }
    (text, true)
}

/// The codings of all Content-Encoding fields in the order applied; `None` where one is not known or there are too many.
fn declared(headers: &Headers<'_>, limits: &Limits, problems: &mut Problems) -> Option<SmallVec<[Coding; 2]>> {
    let mut codings = SmallVec::new();
    let tokens = headers.get_all("content-encoding").flat_map(|field| field.split(|&byte| byte == b','));
    for token in tokens.map(<[u8]>::trim_ascii).filter(|token| !token.is_empty()) {
        let is = |name: &str| token.eq_ignore_ascii_case(name.as_bytes());
        match token {
            _ if is("identity") => {}
            _ if is("gzip") || is("x-gzip") => codings.push(Coding::Gzip),
            _ if is("deflate") => codings.push(Coding::Deflate),
            _ if is("br") => codings.push(Coding::Brotli),
            _ if is("zstd") => codings.push(Coding::Zstd),
            _ => {
                note(problems, Problem::new(ProblemCode::UnknownEncoding, At::Body));
                return None;
            }
        }
        if codings.len() > limits.content_encodings {
            note(problems, Problem::limit("content_encodings", At::Body, codings.len(), limits.content_encodings));
            return None;
        }
    }
    Some(codings)
}

fn decode(coding: Coding, input: &[u8], out: &mut Output, problems: &mut Problems) -> Result<(), Trouble> {
    let mut rest = input;
    // A body of no bytes is no text of no bytes, but every client that forgot to compress sends it.
    while !rest.is_empty() {
        let before = rest.len();
        if let Some(hidden) = hidden(coding, rest) {
            note(problems, Problem::case(ProblemCode::BadEncoding, At::Body, hidden));
        }
        match coding {
            Coding::Gzip => out.drain(GzDecoder::new(&mut rest))?,
            Coding::Deflate if has_zlib_header(rest) => out.drain(ZlibDecoder::new(&mut rest))?,
            Coding::Deflate => out.drain(DeflateDecoder::new(&mut rest))?,
            Coding::Brotli => {
                if brotli(&mut rest, out)? {
                    note(problems, Problem::case(ProblemCode::BadEncoding, At::Body, "metadata in a brotli stream"));
                }
            }
            Coding::Zstd => zstd(&mut rest, out)?,
        }
        let another = match coding {
            Coding::Gzip => rest.starts_with(&[0x1f, 0x8b]),
            Coding::Zstd => starts_zstd_frame(rest),
            Coding::Deflate | Coding::Brotli => false,
        };
        if !another || rest.len() >= before {
            break;
        }
    }
    if !rest.is_empty() {
        note(problems, Problem::offset(ProblemCode::TrailingEncodedBytes, At::Body, input.len() - rest.len()));
    }
    Ok(())
}

/// Room for text that a decoder skips, at the start of a member or frame: what it is, if it is used.
fn hidden(coding: Coding, input: &[u8]) -> Option<&'static str> {
    match coding {
        Coding::Gzip => hidden_in_member(input),
        Coding::Zstd => is_skippable(input).then_some("a skippable zstd frame"),
        Coding::Deflate | Coding::Brotli => None,
    }
}

/// RFC 1952 section 2.3. `gzip FILE` writes the name of the file; nothing on the way of a request writes the other fields.
fn hidden_in_member(input: &[u8]) -> Option<&'static str> {
    let [0x1f, 0x8b, _, flags, _, _, _, _, _, _, rest @ ..] = input else { return None };
    if flags & GZIP_EXTRA != 0 {
        return Some("a gzip member with an extra field");
    }
    if flags & GZIP_COMMENT != 0 {
        return Some("a gzip member with a comment");
    }
    if flags & GZIP_RESERVED != 0 {
        return Some("a gzip member with reserved flags");
    }
    if flags & GZIP_NAME == 0 {
        return None;
    }
    let end = memchr::memchr(0, rest).unwrap_or(rest.len());
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b" ._-/".contains(byte);
    let is_plain = end <= GZIP_NAME_MAX && rest.iter().take(end).all(plain);
    (!is_plain).then_some("a gzip member with an odd name")
}

/// RFC 1950 section 2.2: method 8, and a check that makes the first two bytes a multiple of 31.
fn has_zlib_header(input: &[u8]) -> bool {
    matches!(input, [cmf, flg, ..] if cmf & 15 == 8 && (u16::from(*cmf) << 8 | u16::from(*flg)).is_multiple_of(31))
}

/// RFC 8878 section 3.1: a frame, or a skippable one.
fn starts_zstd_frame(input: &[u8]) -> bool {
    matches!(input, [0x28, 0xb5, 0x2f, 0xfd, ..]) || is_skippable(input)
}

/// RFC 8878 section 3.1.2.
fn is_skippable(input: &[u8]) -> bool {
    matches!(input, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

impl Output {
    /// Takes all of `decoder`, up to the bound.
    fn drain(&mut self, mut decoder: impl Read) -> Result<(), Trouble> {
        let mut step = [0; STEP];
        loop {
            match decoder.read(&mut step) {
                Ok(0) => return Ok(()),
                Ok(count) => self.add(step.get(..count).unwrap_or_default())?,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(Trouble::Truncated),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Trouble::Broken),
            }
        }
    }

    fn add(&mut self, more: &[u8]) -> Result<(), Trouble> {
        let room = self.bound.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(more.get(..room).unwrap_or(more));
        if more.len() > room { Err(Trouble::Cut) } else { Ok(()) }
    }
}

fn zstd(rest: &mut &[u8], out: &mut Output) -> Result<(), Trouble> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(rest).map_err(|_| Trouble::Broken)?.single_frame();
    decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(|_| Trouble::Broken)?;
    out.drain(decoder)
}

/// Takes one brotli stream. `true` says that it holds metadata (RFC 7932 section 9.2), which a decoder skips. The decoder
/// tells so only while it is in it, so it gets its input in small steps; a flush leaves metadata of no bytes.
fn brotli(rest: &mut &[u8], out: &mut Output) -> Result<bool, Trouble> {
    let alloc = StandardAlloc::default;
    let mut state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc> =
        BrotliState::new(alloc(), alloc(), alloc());
    let (mut given, mut left, mut consumed, mut total, mut hidden) = (0, 0, 0, 0, false);
    let mut step = [0; STEP];
    loop {
        let (mut room, mut filled) = (step.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut consumed,
            rest,
            &mut room,
            &mut filled,
            &mut step,
            &mut total,
            &mut state,
        );
        out.add(step.get(..filled).unwrap_or_default())?;
        hidden |= state.is_metadata != 0 && state.meta_block_remaining_len > 0;
        match result {
            BrotliResult::ResultSuccess => break,
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput if given < rest.len() => {
                let more = BROTLI_STEP.min(rest.len() - given);
                given += more;
                left += more;
            }
            BrotliResult::NeedsMoreInput => return Err(Trouble::Truncated),
            BrotliResult::ResultFailure => return Err(Trouble::Broken),
        }
    }
    *rest = rest.get(consumed..).unwrap_or_default();
    Ok(hidden)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn encode(coding: &str, text: &[u8]) -> Vec<u8> {
        match coding {
            "gzip" => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            "zlib" => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            "raw" => {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            "br" => {
                let mut out = Vec::new();
                let mut encoder = brotli::CompressorWriter::new(&mut out, 4096, 5, 20);
                encoder.write_all(text).unwrap();
                drop(encoder);
                out
            }
            "zstd" => zstd::encode_all(text, 3).unwrap(),
            other => panic!("{other}"),
        }
    }

    fn undone(field: &str, raw: &[u8], limits: &Limits) -> (Vec<u8>, bool, Problems) {
        let fields = [(&b"Content-Encoding"[..], field.as_bytes())];
        let mut problems = Problems::new();
        let (text, whole) = undo(&Headers::new(&fields), raw, limits, &mut problems);
        (text.into_owned(), whole, problems)
    }

    fn check(field: &str, raw: &[u8], expect: &[u8], code: Option<ProblemCode>) {
        let (text, whole, problems) = undone(field, raw, &Limits::DEFAULT);
        assert_eq!(text, expect, "{field}");
        assert_eq!(problems.first().map(|problem| problem.code), code, "{field}");
        assert!(whole || code.is_some(), "{field}");
    }

    const CODINGS: [(&str, &str); 5] =
        [("gzip", "gzip"), ("deflate", "zlib"), ("deflate", "raw"), ("br", "br"), ("zstd", "zstd")];

    #[test]
    fn every_coding_comes_back() {
        for (field, coding) in CODINGS {
            check(field, &encode(coding, b"hello hello hello"), b"hello hello hello", None);
            check(field, b"", b"", None);
        }
        check("identity", b"x", b"x", None);
        check("", b"x", b"x", None);
        check("X-GZIP", &encode("gzip", b"x"), b"x", None);
        check("gzip, br", &encode("br", &encode("gzip", b"twice")), b"twice", None);
        check("zstd , identity, gzip", &encode("gzip", &encode("zstd", b"twice")), b"twice", None);
    }

    #[test]
    fn members_and_frames_are_one_text() {
        check("gzip", &[encode("gzip", b"a"), encode("gzip", b"b")].concat(), b"ab", None);
        check("zstd", &[encode("zstd", b"a"), encode("zstd", b"b")].concat(), b"ab", None);
    }

    #[test]
    fn what_is_broken() {
        for (field, coding) in CODINGS {
            let good = encode(coding, b"some text, some text, some other text");
            let got = undone(field, &good[..good.len() - 3], &Limits::DEFAULT);
            assert!(!got.1, "{coding}");
            assert_eq!(got.2[0].code, ProblemCode::TruncatedEncoding, "{coding}");
            let trailing = [good.clone(), b"!!".to_vec()].concat();
            let expect = b"some text, some text, some other text";
            check(field, &trailing, expect, Some(ProblemCode::TrailingEncodedBytes));
        }
        check("gzip", b"not gzip at all, really", b"", Some(ProblemCode::BadEncoding));
        check("zstd", b"not zstd at all, really", b"", Some(ProblemCode::BadEncoding));
        check("compress", b"x", b"x", Some(ProblemCode::UnknownEncoding));
        check("gzip;q=1", b"x", b"x", Some(ProblemCode::UnknownEncoding));
        check("gzip, gzip, gzip", b"x", b"x", Some(ProblemCode::LimitExceeded));
    }

    #[test]
    fn metadata_in_brotli_is_said() {
        // RFC 7932 section 9.1 and 9.2: window bits `0`, then ISLAST 0, MNIBBLES 3, reserved 0, one MSKIPBYTES, the length.
        let header = |length: u32| {
            let bits = (0b11 << 2) | (1 << 5) | ((length - 1) << 7);
            [bits.to_le_bytes()[0], bits.to_le_bytes()[1]]
        };
        for length in [8, 20, 200] {
            let hidden = vec![b'h'; length as usize];
            // After it an empty last block: ISLAST 1, ISLASTEMPTY 1.
            let stream = [&header(length)[..], &hidden, &[3]].concat();
            check("br", &stream, b"", Some(ProblemCode::BadEncoding));
        }
        // A flush is metadata of no bytes.
        let mut out = Vec::new();
        let mut encoder = brotli::CompressorWriter::new(&mut out, 4096, 5, 20);
        for _ in 0..3 {
            encoder.write_all(b"text ").unwrap();
            encoder.flush().unwrap();
        }
        drop(encoder);
        check("br", &out, b"text text text ", None);
    }

    fn member(build: impl FnOnce(flate2::GzBuilder) -> flate2::GzBuilder, text: &[u8]) -> Vec<u8> {
        let mut encoder = build(flate2::GzBuilder::new()).write(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_a_decoder_skips_is_said() {
        let bad = Some(ProblemCode::BadEncoding);
        let named = |name: &str| member(|gzip| gzip.filename(name), b"text");
        check("gzip", &named("backup-2026_11/notes 1.txt"), b"text", None);
        check("gzip", &named(&"n".repeat(255)), b"text", None);
        check("gzip", &named(&"n".repeat(256)), b"text", bad);
        check("gzip", &named("'; DROP TABLE users; --"), b"text", bad);
        check("gzip", &named("\u{e9}"), b"text", bad);
        check("gzip", &member(|gzip| gzip.comment("hidden"), b"text"), b"text", bad);
        check("gzip", &member(|gzip| gzip.extra("hidden"), b"text"), b"text", bad);
        let mut reserved = encode("gzip", b"text");
        reserved[3] |= 0x40;
        assert_eq!(undone("gzip", &reserved, &Limits::DEFAULT).2[0].code, ProblemCode::BadEncoding);
        let second = [encode("gzip", b"a"), member(|gzip| gzip.comment("hidden"), b"b")].concat();
        check("gzip", &second, b"ab", bad);
        let inner = encode("gzip", &member(|gzip| gzip.comment("hidden"), b"text"));
        check("gzip, gzip", &inner, b"text", bad);

        let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 6, 0, 0, 0][..], b"hidden"].concat();
        check("zstd", &[skippable.clone(), encode("zstd", b"a")].concat(), b"a", bad);
        check("zstd", &[encode("zstd", b"a"), skippable.clone(), encode("zstd", b"b")].concat(), b"ab", bad);
        check("zstd", &[encode("zstd", b"a"), skippable].concat(), b"a", bad);
    }

    #[test]
    fn bombs_are_cut() {
        let zeros = vec![0; 20 << 20];
        for (field, coding) in CODINGS {
            let bomb = encode(coding, &zeros);
            let (text, whole, problems) = undone(field, &bomb, &Limits::DEFAULT);
            assert!(!whole);
            assert!(text.len() <= (bomb.len() * 100).max(RATIO_FREE), "{coding} {}", text.len());
            assert!(
                matches!(problems[0].detail, crate::Detail::Limit { limit: "decompression_ratio", .. }),
                "{coding}"
            );
        }
        let limits = Limits { decoded_body: 1000, ..Limits::DEFAULT };
        let (text, _, problems) = undone("gzip", &encode("gzip", &[7; 1001]), &limits);
        assert_eq!(text.len(), 1000);
        assert!(matches!(problems[0].detail, crate::Detail::Limit { limit: "decoded_body", .. }));
        assert!(undone("gzip", &encode("gzip", &[7; 1000]), &limits).1);
    }

    #[test]
    fn a_large_zstd_window_is_refused() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(&vec![b'a'; 1 << 20]).unwrap();
        let (_, whole, problems) = undone("zstd", &encoder.finish().unwrap(), &Limits::DEFAULT);
        assert_eq!((whole, problems[0].code), (false, ProblemCode::BadEncoding));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes(raw: Vec<u8>, which in 0..CODINGS.len()) {
            let (text, _, _) = undone(CODINGS[which].0, &raw, &Limits::DEFAULT);
            proptest::prop_assert!(text.len() <= (raw.len() * 100).max(RATIO_FREE));
        }

        #[test]
        fn texts_come_back(text: Vec<u8>, which in 0..CODINGS.len()) {
            let (field, coding) = CODINGS[which];
            let (got, whole, problems) = undone(field, &encode(coding, &text), &Limits::DEFAULT);
            proptest::prop_assert_eq!((got, whole, problems.len()), (text, true, 0));
        }
    }
}
