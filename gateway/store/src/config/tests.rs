use rampart_settings::{Document, Report, Source, read};

use super::*;

const GOOD_KEY: &str = "q8Zt0vLw4Rk2Xn6Yc1Jd7Hb3Gf9Ts5Pe";
const KEY_LINE: &str = "cluster_key = \"secret://env/GOOD\"";

/// What `[redis]` with `lines` becomes, and each finding: key, message, help.
fn compile(lines: &str) -> (Option<RedisConfig>, Vec<String>) {
    let report = Report::new();
    let document = Document::parse(Source::new("config.toml", lines), &report).unwrap();
    let secret = |reference: &SecretRef, place: &Place<'_>| {
        let text = match reference.rest() {
            "GOOD" => GOOD_KEY,
            "SHORT" => "q8Zt0vLw4Rk2Xn6Yc1Jd7",
            "PLACEHOLDER" => "change-me-change-me-change-me-please",
            "WORD" => "hunter2",
            "OLD" => "3f9a0c77e1b24d5586aa1cf0939be27d",
            _ => {
                place.error("not set");
                return None;
            }
        };
        Some(Arc::new(Secret::from(text.to_owned())))
    };
    let raw = read::<RawRedis>(&document, &report);
    let config = raw.and_then(|raw| RedisConfig::compile(&raw, &secret, &document.root(&report)));
    drop(document);
    let found = report.into_sorted();
    let line = |d: &rampart_settings::Diagnostic| {
        let help = d.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}: {}{help}", d.path, d.message)
    };
    (config, found.iter().map(line).collect())
}

#[test]
fn the_mode_follows_from_the_keys() {
    fn check(lines: &str, mode: &str, authority: &str) {
        let (config, found) = compile(&format!("{lines}\n{KEY_LINE}"));
        assert_eq!(found, Vec::<String>::new(), "{lines}");
        let config = config.unwrap();
        assert_eq!((config.mode(), &*config.authority()), (mode, authority), "{lines}");
    }
    check("url = \"redis://127.0.0.1\"", "single", "127.0.0.1:6379");
    check("urls = [\"redis://127.0.0.1:1\"]", "single", "127.0.0.1:1");
    check("urls = [\"redis://a:1\", \"redis://b:2\"]", "cluster", "a:1,b:2");
    check("url = \"redis://a\"\nmode = \"cluster\"", "cluster", "a:6379");
    check("url = \"redis://a\"\nsentinel = { name = \"m\" }", "sentinel", "a:26379");
    check("urls = [\"redis://a\", \"redis://b:1\"]\nsentinel = { name = \"m\" }", "sentinel", "a:26379,b:1");
}

#[test]
fn the_rest_is_taken_over() {
    let lines = format!(
        "url = \"rediss://cache:1/3\"\nusername = \"gateway\"\npassword = \"secret://env/WORD\"\npool = 2\n\
         command_deadline = \"50ms\"\nconnect_deadline = \"1s\"\nprefix = \"blue\"\ninstances = 4\n\
         tls = {{ ca_file = \"ca.pem\" }}\ncluster_key_previous = \"secret://env/OLD\"\n{KEY_LINE}"
    );
    let (config, found) = compile(&lines);
    assert_eq!(found, Vec::<String>::new());
    let config = config.unwrap();
    assert_eq!((config.database, config.pool, &*config.prefix, config.instances), (Some(3), 2, "blue", Some(4)));
    assert_eq!((config.command_deadline, config.connect_deadline), (Duration::from_millis(50), Duration::from_secs(1)));
    assert_eq!(config.username.as_deref(), Some("gateway"));
    assert!(config.password.unwrap().matches(b"hunter2"));
    assert_eq!(config.tls, Some(Tls { ca_file: Some("ca.pem".into()), identity: None }));
    let old = ClusterKey::new(Arc::new(Secret::from("3f9a0c77e1b24d5586aa1cf0939be27d".to_owned())), None);
    assert_eq!(config.cluster_key.open("d", b"", &old.seal("d", b"", b"x").unwrap()).unwrap(), b"x");
}

#[test]
fn mistakes_are_told_apart() {
    fn check(lines: &str, expect: &[&str]) {
        let lines = if lines.contains("cluster_key =") { lines.to_owned() } else { format!("{lines}\n{KEY_LINE}") };
        assert_eq!(compile(&lines).1, expect, "{lines}");
    }
    let url = "url = \"redis://a\"\n";
    check("", &[": there is no server to go to (add url = \"redis://127.0.0.1:6379\")"]);
    check(
        "url = \"redis://me:word@a\"",
        &["url: credentials are not written into the URL (username = \"...\" and password = \
           \"secret://env/REDIS_PASSWORD\")"],
    );
    check("url = \"a:1\"", &["url: it does not begin with redis:// or rediss:// (such as \"redis://127.0.0.1:6379\")"]);
    check(
        "urls = [\"redis://a\", \"rediss://b\"]",
        &["urls[1]: either all servers speak TLS (rediss://) or none does"],
    );
    check("urls = [\"redis://a/1\", \"redis://b\"]", &[": a cluster has one database: remove the path from the URL"]);
    check(
        "urls = [\"redis://a\", \"redis://b\"]\nmode = \"single\"",
        &[
            "urls: mode = \"single\" has one server, not 2 (several gateways that each use another server would not act as \
           one; for replicas use Sentinel or a cluster)",
        ],
    );
    check(
        &format!("{url}urls = [\"redis://b\"]"),
        &[
            "urls: either `url` or `urls`, not both (keep `url` for one server; for a cluster or Sentinels write all of them \
           into `urls`)",
        ],
    );
    check(
        &format!("{url}urls = [\"redis://a\"]\nmode = \"single\""),
        &[
            "urls: either `url` or `urls`, not both (keep `url` for one server; for a cluster or Sentinels write all of them \
           into `urls`)",
        ],
    );
    check(
        &format!("{url}mode = \"sentinel\""),
        &["mode: Sentinels watch a master by name (add sentinel = { name = \"mymaster\" })"],
    );
    check(
        &format!("{url}mode = \"single\"\nsentinel = {{ name = \"m\" }}"),
        &["sentinel: only with mode = \"sentinel\" (remove the table, or `mode`)"],
    );
    check(
        &format!("{url}username = \"me\""),
        &["username: an ACL user signs in with a password (add password = \"secret://...\")"],
    );
    check(
        &format!("{url}tls = {{}}"),
        &["tls: no server speaks TLS (write the URL with rediss://, or remove the table)"],
    );
    check("url = \"rediss://a\"\ntls = { cert_file = \"c\" }", &["tls: cert_file and key_file go together"]);
    check(&format!("{url}command_deadline = \"5ms\""), &["command_deadline: 5ms is too short: at least 10ms"]);
    check(&format!("{url}connect_deadline = \"1m\""), &["connect_deadline: 1m is too long: at most 30s"]);
    check(&format!("{url}prefix = \"a:b\""), &["prefix: 1 to 32 letters, digits, `_`, `-` and `.`"]);
    let advice = "(make one: openssl rand -base64 32)";
    check(
        &format!("{url}cluster_key = \"secret://env/SHORT\""),
        &[&format!("cluster_key: 21 bytes are too few: at least 32 {advice}")],
    );
    check(
        &format!("{url}cluster_key = \"secret://env/PLACEHOLDER\""),
        &[&format!("cluster_key: the secret is a placeholder that was never replaced {advice}")],
    );
    check(&format!("{url}cluster_key = \"secret://env/ABSENT\""), &["cluster_key: not set"]);
    check(
        &format!("{url}{KEY_LINE}\ncluster_key_previous = \"secret://env/GOOD\""),
        &["cluster_key_previous: the same as cluster_key (remove it: the rotation is over)"],
    );
}
