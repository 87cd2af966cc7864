//! `sha1` and `md5`: digests to compare values with, raw bytes. Nothing is protected with them.

use md5::{Digest, Md5};
use sha1::Sha1;

pub(super) fn sha1(input: &[u8], out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(&Sha1::digest(input));
    true
}

pub(super) fn md5(input: &[u8], out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(&Md5::digest(input));
    true
}
