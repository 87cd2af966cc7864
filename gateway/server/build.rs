//! Embeds what `rampart demo` needs to run with nothing on disk (config.toml and rules/), and says what is being built.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let crate_directory = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let root = crate_directory.join("../..");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());

    let mut files = Vec::new();
    collect(&root.join("rules"), &mut files)?;
    files.sort();
    files.insert(0, root.join("config.toml"));
    fs::write(out.join("embedded.rs"), table(&root, &files)?)?;

    println!("cargo::rerun-if-changed={}", root.join("rules").display());
    println!("cargo::rerun-if-changed={}", root.join("config.toml").display());
    println!("cargo::rustc-env=RAMPART_COMMIT={}", commit(&root));
    println!("cargo::rustc-env=RAMPART_TARGET={}", env::var("TARGET").unwrap_or_default());
    Ok(())
}

/// Every `.toml` file below `directory`.
fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "toml") {
            files.push(path);
        }
    }
    Ok(())
}

/// A Rust expression: an array of (path from the root, text).
fn table(root: &Path, files: &[PathBuf]) -> io::Result<String> {
    let mut source = String::from("[\n");
    for file in files {
        let name = file.strip_prefix(root).unwrap_or(file);
        let (name, path) = (name.display().to_string(), file.canonicalize()?.display().to_string());
        let _ = writeln!(source, "({name:?}, include_str!({path:?})),");
    }
    source.push(']');
    Ok(source)
}

/// The commit of the checkout; from the environment for builds outside one. Debug builds say `debug`: naming the commit
/// would relink them after every commit.
fn commit(root: &Path) -> String {
    println!("cargo::rerun-if-env-changed=RAMPART_COMMIT");
    if let Ok(given) = env::var("RAMPART_COMMIT") {
        return given;
    }
    if env::var("PROFILE").as_deref() != Ok("release") {
        return "debug".to_owned();
    }
    let log = root.join(".git/logs/HEAD");
    if log.exists() {
        println!("cargo::rerun-if-changed={}", log.display());
    }
    let git = Command::new("git").arg("-C").arg(root).args(["rev-parse", "--short=12", "HEAD"]).output();
    git.ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}
