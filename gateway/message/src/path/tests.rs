//! The table of tricks, and the two laws: normalising twice is normalising once, and a slow obvious oracle agrees.

use super::*;

fn check(path: &str, expect: Result<&str, PathProblem>) {
    let got = normalise(path.as_bytes(), &PathPolicy::STRICT);
    let got = got.map(|path| String::from_utf8(path.as_bytes().to_vec()).unwrap());
    assert_eq!(got.as_deref().map_err(|problem| *problem), expect, "{path}");
}

#[test]
fn normal_forms() {
    check("/", Ok("/"));
    check("/a/b", Ok("/a/b"));
    check("/a/b/", Ok("/a/b/"));
    check("/A/b", Ok("/A/b"));
    check("/%61%2D%2e%5F%7e", Ok("/a-._~"));
    check("/a%3ab%c3%a9", Ok("/a%3Ab%C3%A9"));
    check("/a:b@c!$&'()*+,=", Ok("/a:b@c!$&'()*+,="));
    check("/a b<>\"{}|^`[]", Ok("/a%20b%3C%3E%22%7B%7D%7C%5E%60%5B%5D"));
    check("/é", Ok("/%C3%A9"));
    check("/.hidden", Ok("/.hidden"));
    check("/a..b/...", Ok("/a..b/..."));
    check("/100%25", Ok("/100%25"));
    check("/%25zz", Ok("/%25zz"));
}

#[test]
fn dot_segments() {
    check("/a/./b", Ok("/a/b"));
    check("/a/../b", Ok("/b"));
    check("/a/b/..", Ok("/a/"));
    check("/a/b/.", Ok("/a/b/"));
    check("/..", Ok("/"));
    check("/../../etc/passwd", Ok("/etc/passwd"));
    check("/a/%2e%2e/b", Ok("/b"));
    check("/a/%2E./b", Ok("/b"));
    check("/a/.%2e", Ok("/"));
}

#[test]
fn refused_unless_a_route_allows_it() {
    use PathProblem::*;
    check("/a%2fb", Err(EncodedSlash));
    check("/a%2Fb", Err(EncodedSlash));
    check("/a\\b", Err(Backslash));
    check("/a%5cb", Err(Backslash));
    check("/a%00", Err(Nul));
    check("/a\0", Err(Nul));
    check("/%2541", Err(DoubleEncoding));
    check("/%252e%252e/", Err(HiddenTraversal));
    check("/%25u0041", Err(DoubleEncoding));
    check("/%%341", Err(InvalidPercent));
    check("/a;b=c", Err(Parameter));
    check("/a%3Bb", Err(Parameter));
    check("/a//b", Err(EmptySegment));
    check("//a", Err(EmptySegment));
    check("/%c0%ae%c0%ae/", Err(InvalidUtf8));
    check("/%c0%af", Err(InvalidUtf8));
    check("/%ff", Err(InvalidUtf8));
    check("/%ed%a0%80", Err(InvalidUtf8));
}

#[test]
fn refused_always() {
    use PathProblem::*;
    let everything = PathProblem::ALL.into_iter().fold(PathPolicy::STRICT, PathPolicy::allow);
    let check = |path: &str, expect| {
        assert_eq!(normalise(path.as_bytes(), &everything).map(|_| ()), Err(expect), "{path}");
    };
    check("", NotAbsolute);
    check("a", NotAbsolute);
    check("/%", InvalidPercent);
    check("/%4", InvalidPercent);
    check("/%zz", InvalidPercent);
    check("/%u002e%u002e/", InvalidPercent);
    check("/a\nb", Control);
    check("/a%0d%0ab", Control);
    check("/a\x7f", Control);
    check("/a#b", Fragment);
    check("/a/..%2f..%2fetc", HiddenTraversal);
    check("/a/..%5cb", HiddenTraversal);
    check("/a/..\\b", HiddenTraversal);
    check("/a/..;x/b", HiddenTraversal);
    check("/a/.;/b", HiddenTraversal);
    check("/a/%252e%252e/b", HiddenTraversal);
    check("/a/%252e%252e%252fb", HiddenTraversal);
}

#[test]
fn what_is_allowed_is_forwarded_as_it_is() {
    let check = |path: &str, allowed: &[RawPathPolicy], expect: &str| {
        let got = normalise(path.as_bytes(), &PathPolicy::compile(allowed)).unwrap();
        assert_eq!(std::str::from_utf8(got.as_bytes()), Ok(expect), "{path}");
    };
    check("/a%2fb", &[RawPathPolicy::EncodedSlash], "/a%2Fb");
    check("/a\\b%5c", &[RawPathPolicy::Backslash], "/a%5Cb%5C");
    check("/a%00", &[RawPathPolicy::Nul], "/a%00");
    check("/%2541", &[RawPathPolicy::DoubleEncoding], "/%2541");
    check("/a;b%3B", &[RawPathPolicy::Parameter], "/a;b%3B");
    check("//a//", &[RawPathPolicy::EmptySegment], "//a//");
    check("/%ff", &[RawPathPolicy::InvalidUtf8], "/%FF");
    let one = PathPolicy::compile(&[RawPathPolicy::EncodedSlash]);
    assert_eq!(normalise(b"/a%2f%00", &one).map(|_| ()), Err(PathProblem::Nul));
}

#[test]
fn the_words_of_the_configuration_name_the_problems() {
    for problem in PathProblem::ALL {
        let word = serde_json::from_value::<RawPathPolicy>(problem.as_str().into());
        assert_eq!(word.is_ok(), problem.allowable(), "{problem:?}");
        if let Ok(word) = word {
            assert_eq!(PathPolicy::compile(&[word]), PathPolicy::STRICT.allow(problem));
        }
    }
}

#[test]
fn a_normal_path_is_borrowed() {
    for path in ["/", "/a/b", "/api/v1/agents/42", "/a/b.c", "/a/.well-known"] {
        assert!(matches!(scan(path.as_bytes()).into_bytes(), Cow::Borrowed(_)), "{path}");
    }
}

#[test]
fn decoded_is_for_rules() {
    assert_eq!(&*scan(b"/a%20b%252f").decoded(), b"/a b%2f");
}

#[test]
fn long_paths_stay_linear() {
    let started = std::time::Instant::now();
    for piece in ["/..", "/a/..", "%2e", "%25", "//", "/.", ";"] {
        let path = format!("/{}", piece.repeat((1 << 20) / piece.len()));
        let _ = scan(path.as_bytes());
    }
    assert!(started.elapsed().as_secs() < 10);
}

/// Segments by RFC 3986 section 5.2.4, on a list instead of on bytes.
fn oracle(path: &str) -> String {
    let segments: Vec<&str> = path[1..].split('/').collect();
    let mut kept: Vec<&str> = Vec::new();
    let last = segments.len() - 1;
    for (at, segment) in segments.into_iter().enumerate() {
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if at == last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

proptest::proptest! {
    #[test]
    fn normalising_is_idempotent(path in "/[a./;%25eEfF\\\\\\x00-\\x20é0]{0,30}") {
        let once = scan(path.as_bytes());
        let twice = scan(once.as_bytes());
        proptest::prop_assert_eq!(twice.as_bytes(), once.as_bytes());
        if once.problems().is_empty() {
            proptest::prop_assert!(twice.problems().is_empty());
        }
    }

    #[test]
    fn dot_segments_agree_with_the_oracle(path in "/[a./]{0,20}") {
        let got = scan(path.as_bytes());
        proptest::prop_assert_eq!(std::str::from_utf8(got.as_bytes()).unwrap(), oracle(&path));
    }

    #[test]
    fn any_bytes(path: Vec<u8>) {
        let got = scan(&path);
        let uri = |byte: &u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#?[]".contains(byte);
        proptest::prop_assert!(got.as_bytes().iter().all(uri), "{:?}", got);
        proptest::prop_assert!(got.as_bytes().len() <= 3 * path.len() + 1);
    }

    #[test]
    fn what_strict_takes_holds_no_trick(path in "/[a./;%25eEfFcC0\\\\]{0,24}") {
        if let Ok(got) = normalise(path.as_bytes(), &PathPolicy::STRICT) {
            let decoded = got.decoded().into_owned();
            let again = crate::percent::decode(&decoded, crate::percent::Plus::Literal).bytes;
            proptest::prop_assert_eq!(&*again, &decoded[..]);
            proptest::prop_assert!(!decoded.split(|&b| b == b'/' || b == b'\\').any(|s| s == b".."));
        }
    }
}
