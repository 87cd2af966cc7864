//! What makes a secret no secret: placeholders that were never replaced, patterns, too little variety.
//!
//! It finds what people type and what documentation prints; it cannot tell a published key from a private one. Random
//! secrets pass: the chance of a false alarm is below one in a million for 32 random bytes, raw, in base64 or in
//! hexadecimal.

/// Words that are in no random secret, in lower case. Six letters at least: shorter ones do occur by chance.
const PLACEHOLDERS: [&str; 24] = [
    "changeme",
    "change-me",
    "change_me",
    "change this",
    "changethis",
    "replaceme",
    "replace-me",
    "replace_me",
    "placeholder",
    "password",
    "passphrase",
    "secret",
    "example",
    "sample",
    "default",
    "insecure",
    "letmein",
    "qwerty",
    "rampart",
    "your-key",
    "your_key",
    "yourkey",
    "insert-",
    "do-not-use",
];

/// Bits of variety that a secret must seem to hold at least: [`estimated_bits`].
const LEAST_BITS: f64 = 64.0;

/// Why `secret` is not one, as the end of a sentence that begins with "the secret"; `None` if nothing speaks against
/// it. Says nothing about its length: what uses it knows how long it has to be.
pub fn weakness(secret: &[u8]) -> Option<&'static str> {
    let lower = secret.to_ascii_lowercase();
    let contains = |word: &str| lower.windows(word.len()).any(|window| window == word.as_bytes());
    if PLACEHOLDERS.iter().any(|word| contains(word)) {
        return Some("is a placeholder that was never replaced");
    }
    if is_sequence(secret) {
        return Some("is a sequence of neighbouring characters");
    }
    if is_repetition(secret) {
        return Some("repeats one short pattern");
    }
    (estimated_bits(secret) < LEAST_BITS).then_some("has too little variety to be random")
}

/// Three of four steps from one byte to the next are the same and small: `0123456789`, `abcdef`, `zzzz`.
fn is_sequence(secret: &[u8]) -> bool {
    let steps: Vec<i16> =
        secret.iter().zip(secret.iter().skip(1)).map(|(a, b)| i16::from(*b) - i16::from(*a)).collect();
    let most = [-1, 0, 1].iter().map(|step| steps.iter().filter(|given| *given == step).count()).max().unwrap_or(0);
    !steps.is_empty() && most * 4 >= steps.len() * 3
}

/// The second half (at least) is what stands a fixed number of bytes before.
fn is_repetition(secret: &[u8]) -> bool {
    (1..=secret.len() / 2).any(|period| secret.iter().zip(secret.iter().skip(period)).all(|(a, b)| a == b))
}

/// Length times the Shannon entropy of the byte frequencies: an upper bound of what an attacker has to guess if the
/// bytes were drawn one by one. 32 random hexadecimal digits come to about 115, 32 random bytes to about 155.
fn estimated_bits(secret: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in secret {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let length = f64::from(u32::try_from(secret.len()).unwrap_or(u32::MAX));
    counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) * (length / f64::from(*count)).log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_people_type_is_found() {
        fn check(secret: &str, expect: Option<&str>) {
            assert_eq!(weakness(secret.as_bytes()), expect, "{secret}");
        }
        let placeholder = Some("is a placeholder that was never replaced");
        check("changeme", placeholder);
        check("CHANGEME-CHANGEME-CHANGEME-CHANGEME", placeholder);
        check("please-replace-me-with-32-random-bytes", placeholder);
        check("this is a very long pass phrase: Secret!", placeholder);
        check("rampart-cluster-key-0000000000000000", placeholder);
        check("your_key_goes_here_0123456789abcdefgh", placeholder);
        let sequence = Some("is a sequence of neighbouring characters");
        check("00000000000000000000000000000000", sequence);
        check("abcdefghijklmnopqrstuvwxyz0123456789", sequence);
        check("zyxwvutsrqponmlkjihgfedcba9876543210", sequence);
        let repetition = Some("repeats one short pattern");
        check("a1b9a1b9a1b9a1b9a1b9a1b9a1b9a1b9", repetition);
        check("q8Zt0vLw4Rk2q8Zt0vLw4Rk2q8Zt0vLw", repetition);
        let variety = Some("has too little variety to be random");
        check("", variety);
        check("tr0ub4dor&3", variety);
        check("aabababbbaabbbabaabababbabbaaabb", variety);
        check("q8Zt0vLw4Rk2Xn6Yc1Jd7Hb3Gf9Ts5Pe", None);
        check("3f9a0c77e1b24d5586aa1cf0939be27d", None);
        check("correct horse battery staple gravel onion", None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn random_secrets_pass(secret: [u8; 32]) {
            prop_assert_eq!(weakness(&secret), None);
            let digit = |half: u8| char::from_digit(half.into(), 16).unwrap();
            let digits: String = secret.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
            prop_assert_eq!(weakness(digits.as_bytes()), None);
            prop_assert_eq!(weakness(&digits.as_bytes()[..32]), None);
        }
    }
}
