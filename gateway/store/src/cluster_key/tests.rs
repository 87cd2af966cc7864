use super::*;

fn secret(text: &str) -> Arc<Secret> {
    Arc::new(Secret::from(text.to_owned()))
}

fn key(current: &str, previous: Option<&str>) -> ClusterKey {
    ClusterKey::new(secret(current), previous.map(secret))
}

const OLD: &str = "q8Zt0vLw4Rk2Xn6Yc1Jd7Hb3Gf9Ts5Pe";
const NEW: &str = "3f9a0c77e1b24d5586aa1cf0939be27d";

/// RFC 5869, test cases 1 and 3, first 32 bytes of the output.
#[test]
fn derivation_is_hkdf() {
    fn check(salt: &[u8], info: &[u8], expect: &str) {
        let derived = derive(&Secret::new(vec![0x0b; 22]), salt, &[info]);
        assert_eq!(crate::key::hexadecimal(&derived), expect);
    }
    let salt: Vec<u8> = (0..=0x0c).collect();
    let info: Vec<u8> = (0xf0..=0xf9).collect();
    check(&salt, &info, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
    check(b"", b"", "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
}

#[test]
fn names_depend_on_everything() {
    let own = key(OLD, None);
    let name = own.hash("quota", &[b"ab", b"c"]);
    assert_eq!(name, key(OLD, Some(NEW)).hash("quota", &[b"ab", b"c"]), "all gateways agree");
    for other in [
        own.hash("quota", &[b"a", b"bc"]),
        own.hash("quota", &[b"abc"]),
        own.hash("quota", &[b"ab", b"c", b""]),
        own.hash("ban", &[b"ab", b"c"]),
        own.hash("quot", &[b"a", b"ab", b"c"]),
        key(NEW, None).hash("quota", &[b"ab", b"c"]),
    ] {
        assert_ne!(name, other);
    }
}

#[test]
fn values_open_where_they_belong() {
    let own = key(OLD, None);
    for plain in [&b""[..], b"x", &[0; 5_000]] {
        let sealed = own.seal("cache", b"key", plain).unwrap();
        assert_eq!(sealed.len(), plain.len() + SEAL_BYTES);
        assert_eq!(own.open("cache", b"key", &sealed).as_deref(), Ok(plain));
        assert_eq!(own.open("cache", b"other", &sealed), Err(OpenError::Forged));
        assert_eq!(own.open("cach", b"ekey", &sealed), Err(OpenError::Forged));
        assert_eq!(key(NEW, None).open("cache", b"key", &sealed), Err(OpenError::Key));
    }
    assert_ne!(own.seal("cache", b"", b"x"), own.seal("cache", b"", b"x"), "never the same twice");
}

#[test]
fn no_changed_byte_opens() {
    let own = key(OLD, None);
    let sealed = own.seal("cache", b"key", b"value").unwrap();
    for index in 0..sealed.len() {
        for bit in 0..8 {
            let mut changed = sealed.clone();
            changed[index] ^= 1 << bit;
            assert!(own.open("cache", b"key", &changed).is_err(), "byte {index}, bit {bit}");
        }
    }
    for length in 0..sealed.len() {
        assert!(own.open("cache", b"key", &sealed[..length]).is_err(), "cut to {length}");
    }
}

#[test]
fn rotation_opens_what_was_sealed_before() {
    let (before, during, after) = (key(OLD, None), key(NEW, Some(OLD)), key(NEW, None));
    let old = before.seal("cache", b"", b"value").unwrap();
    let new = during.seal("cache", b"", b"value").unwrap();
    assert_eq!(during.open("cache", b"", &old).unwrap(), b"value");
    assert_eq!(during.open("cache", b"", &new).unwrap(), b"value");
    assert_eq!(after.open("cache", b"", &new).unwrap(), b"value");
    assert_eq!(after.open("cache", b"", &old), Err(OpenError::Key));
    assert_eq!(before.open("cache", b"", &new), Err(OpenError::Key));
}

#[test]
fn keys_of_the_same_secrets_are_equal() {
    assert_eq!(key(OLD, Some(NEW)), key(OLD, Some(NEW)));
    assert_ne!(key(OLD, Some(NEW)), key(OLD, None));
    assert_ne!(key(OLD, None), key(NEW, None));
}

#[test]
fn it_never_prints_itself() {
    assert_eq!(format!("{:?}", key(OLD, Some(NEW))), "ClusterKey([redacted])");
}
