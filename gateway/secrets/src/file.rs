//! Secrets in files: as mounted by Docker, Kubernetes and systemd (`LoadCredential=`).
//!
//! Links are followed, for Kubernetes mounts secrets as links. Only plain files are read: a pipe could keep the gateway
//! from ever starting.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::MAX_SECRET_BYTES;
use crate::reference::SecretRef;
use crate::resolver::{Resolved, SecretError};
use crate::secret::Secret;

const READABLE_BY_ALL: u32 = 0o004;
const WRITABLE_BY_ALL: u32 = 0o002;

pub(crate) fn read(reference: &SecretRef, folder: &Path) -> Result<Resolved, SecretError> {
    let path = path_of(reference.rest(), folder);
    let failed = |source| SecretError::File { reference: reference.clone(), path: path.clone(), source };
    // Looked at before it is opened, because opening a pipe waits.
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(SecretError::NotAFile { reference: reference.clone(), path });
    }
    let (bytes, mode) = contents(&path).map_err(failed)?;
    if bytes.len() > MAX_SECRET_BYTES {
        return Err(SecretError::TooLarge { reference: reference.clone() });
    }
    let secret = Secret::new(without_newline(&bytes).to_vec());
    Ok(Resolved { secret, warnings: warnings(&path, mode) })
}

/// `run/x` and `/run/x` are absolute, `./x` and `../x` relative to `folder`.
fn path_of(rest: &str, folder: &Path) -> PathBuf {
    if rest.starts_with("./") || rest.starts_with("../") {
        folder.join(rest.strip_prefix("./").unwrap_or(rest))
    } else {
        Path::new("/").join(rest.trim_start_matches('/'))
    }
}

/// The file's bytes, one more at most than a secret may have, and its mode. The buffer never grows, so no copy is left
/// behind.
fn contents(path: &Path) -> io::Result<(Zeroizing<Vec<u8>>, u32)> {
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    let mut bytes = Zeroizing::new(vec![0; MAX_SECRET_BYTES + 1]);
    let mut filled = 0;
    while let Some(free) = bytes.get_mut(filled..).filter(|free| !free.is_empty()) {
        match (&file).read(free) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok((bytes, mode))
}

/// Without the one line end that editors and `echo` put there.
fn without_newline(bytes: &[u8]) -> &[u8] {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    line.strip_suffix(b"\r").filter(|_| line.len() < bytes.len()).unwrap_or(line)
}

fn warnings(path: &Path, mode: u32) -> Vec<String> {
    let path = path.display();
    let mut found = Vec::new();
    if mode & READABLE_BY_ALL != 0 {
        found.push(format!("{path} can be read by every user of this machine; use: chmod o-r {path}"));
    }
    if mode & WRITABLE_BY_ALL != 0 {
        found.push(format!("{path} can be changed by every user of this machine; use: chmod o-w {path}"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::symlink;

    /// What is read from a file of these bytes, through a reference relative to its folder.
    fn read_bytes(bytes: &[u8]) -> Result<Vec<u8>, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("token"), bytes).unwrap();
        let reference = "secret://file/./token".parse().unwrap();
        let resolved = read(&reference, folder.path()).map_err(|error| error.to_string())?;
        Ok(resolved.secret.expose().to_vec())
    }

    #[test]
    fn one_line_end_is_left_out() {
        fn check(bytes: &[u8], expect: &[u8]) {
            assert_eq!(read_bytes(bytes).unwrap(), expect, "{bytes:?}");
        }
        check(b"token", b"token");
        check(b"token\n", b"token");
        check(b"token\r\n", b"token");
        check(b"token\n\n", b"token\n");
        check(b"token\r", b"token\r");
        check(b" token \n", b" token ");
        check(b"a\nb\n", b"a\nb");
        check(b"\xff\x00\n", b"\xff\x00");
    }

    #[test]
    fn a_file_may_be_as_large_as_a_secret_and_no_larger() {
        assert_eq!(read_bytes(&vec![b'x'; MAX_SECRET_BYTES]).unwrap().len(), MAX_SECRET_BYTES);
        let error = read_bytes(&vec![b'x'; MAX_SECRET_BYTES + 1]).unwrap_err();
        assert!(error.contains("is this the right file?"), "{error}");
    }

    #[test]
    fn paths_are_absolute_unless_they_say_otherwise() {
        fn check(rest: &str, expect: &str) {
            assert_eq!(path_of(rest, Path::new("/etc/rampart")), Path::new(expect), "{rest}");
        }
        check("run/secrets/x", "/run/secrets/x");
        check("/run/secrets/x", "/run/secrets/x");
        check("//run/secrets/x", "/run/secrets/x");
        check("./x", "/etc/rampart/x");
        check("../x", "/etc/rampart/../x");
        check(".x", "/.x");
    }

    #[test]
    fn links_are_followed_and_anything_but_a_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("..data"), "token").unwrap();
        symlink("..data", folder.path().join("link")).unwrap();
        symlink("/dev/zero", folder.path().join("endless")).unwrap();
        let read = |name: &str| {
            read(&format!("secret://file/./{name}").parse().unwrap(), folder.path())
                .map(|resolved| resolved.secret.expose_str().unwrap().to_owned())
                .map_err(|error| error.to_string())
        };
        assert_eq!(read("link").unwrap(), "token");
        assert!(read("endless").unwrap_err().contains("is not a plain file"));
        assert!(read(".").unwrap_err().contains("is not a plain file"));
        assert!(read("missing").unwrap_err().contains("cannot read"));
    }

    #[test]
    fn a_file_that_all_may_read_or_change_is_warned_about() {
        fn check(mode: u32, expect: &[&str]) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("token");
            fs::write(&path, "s3cr3t").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let warnings = read(&"secret://file/./token".parse().unwrap(), folder.path()).unwrap().warnings;
            let advice: Vec<_> = warnings.iter().map(|text| text.split("chmod ").nth(1).unwrap()).collect();
            let expect: Vec<String> = expect.iter().map(|what| format!("{what} {}", path.display())).collect();
            assert_eq!(advice, expect, "{mode:o}");
            assert!(!warnings.concat().contains("s3cr3t"));
        }
        check(0o600, &[]);
        check(0o640, &[]);
        check(0o644, &["o-r"]);
        check(0o646, &["o-r", "o-w"]);
    }
}
