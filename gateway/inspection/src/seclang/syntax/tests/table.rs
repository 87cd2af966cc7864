//! What directives mean, and what is said about those that are wrong.

use super::{print, try_load};
use crate::seclang::files::{Files, MemoryFiles};

fn files(text: &str) -> MemoryFiles {
    MemoryFiles::new().with("rules/a.conf", text).with("rules/words.data", "x").with("top.data", "top")
}

/// `input` is read as `expect` says, in the one spelling of `print`.
fn check(input: &str, expect: &[&str]) {
    let (parsed, said) = try_load(&files(input), &["rules/a.conf"]);
    let said: Vec<String> = said.iter().map(ToString::to_string).collect();
    assert!(said.is_empty(), "{input}\n{}", said.join("\n"));
    let found: Vec<String> = parsed.directives.iter().map(print::directive).collect();
    assert_eq!(found, expect, "{input}");
}

/// `input` is refused: each error at its line and column, with its message and help, which hold what is expected.
fn wrong(input: &str, expect: &[(usize, usize, &str)]) {
    let (_, said) = try_load(&files(input), &["rules/a.conf"]);
    let places: Vec<_> = said.iter().map(|one| (one.line, one.column)).collect();
    let expected: Vec<_> = expect.iter().map(|(line, column, _)| (*line, *column)).collect();
    let all: Vec<String> = said.iter().map(ToString::to_string).collect();
    assert_eq!(places, expected, "{input}\n{}", all.join("\n"));
    for (one, (_, _, part)) in said.iter().zip(expect) {
        let whole = format!("{}; {}", one.message, one.help.as_deref().unwrap_or_default());
        assert!(whole.contains(part), "{input}\nsaid: {whole}\nexpected: {part}");
    }
}

#[test]
fn lines_words_and_comments() {
    check("", &[]);
    check("# nothing\n\n   \t\n#SecRule ARGS\n", &[]);
    check("SECMARKER x", &["SecMarker \"x\""]);
    check("secmarker 'a b'", &["SecMarker \"a b\""]);
    check("\u{feff}SecMarker x\r\nSecMarker y\r\n", &["SecMarker \"x\"", "SecMarker \"y\""]);
    check("SecMarker \\\r\n \"x\" \\\n", &["SecMarker \"x\""]);
    check("SecRule ARGS \\  \n  a \\\n  \"id:1, \\\n   pass\"", &["SecRule ARGS \"@rx a\" \"id:1,pass\""]);
    check("# SecRule ARGS a \\\n  \"id:1\"\nSecMarker x", &["SecMarker \"x\""]);
    check("SecAction id:1,msg:'a b',pass", &["SecAction \"id:1,msg:'a b',pass\""]);
    check("SecAction 'id:1,tag:\"x\"'", &["SecAction \"id:1,tag:'\\\"x\\\"'\""]);
}

#[test]
fn targets() {
    let check =
        |list: &str, expect: &str| check(&format!("SecRule {list} x"), &[&format!("SecRule {expect} \"@rx x\"")]);
    check("args|Args_Names", "ARGS|ARGS_NAMES");
    check("ARGS|!ARGS:foo|&TX:/^x/", "ARGS|!ARGS:foo|&TX:'/^x/'");
    check("\"ARGS | !ARGS:foo , REQUEST_URI\"", "ARGS|!ARGS:foo|REQUEST_URI");
    check(
        "REQUEST_HEADERS:User-Agent|XML:/*|XML://@*|ARGS:/a/",
        "REQUEST_HEADERS:User-Agent|XML:/*|XML://@*|ARGS:'/a/'",
    );
    check(
        "REQUEST_COOKIES|!REQUEST_COOKIES:/^a|b,c/|TX:/x\\/y/",
        "REQUEST_COOKIES|!REQUEST_COOKIES:'/^a|b,c/'|TX:'/x\\/y/'",
    );
    check("ARGS:/a/b/", "ARGS:'/a/b/'");
    check("ARGS:'/a b|c/'|FILES", "ARGS:'/a b|c/'|FILES");
    check("ARGS:'it\\'s, a|b'", "ARGS:'it\\'s, a|b'");
    check("ARGS.foo|TX:a.b:c", "ARGS:foo|TX:'a.b:c'");
}

#[test]
fn operators() {
    let check =
        |test: &str, expect: &str| check(&format!("SecRule ARGS {test}"), &[&format!("SecRule ARGS \"{expect}\"")]);
    check("^a", "@rx ^a");
    check("\"!^a b\"", "!@rx ^a b");
    check("\"! a\"", "!@rx  a");
    check("\" ! @STREQ a\"", "!@streq a");
    check("\"@streq  a \"", "@streq  a ");
    check("@detectSQLi", "@detectSQLi ");
    check("\"@rx a\\\"b\\'c\\\\d\\w\"", "@rx a\\\"b\\'c\\\\d\\w");
    check("'@rx a\\'b\"c'", "@rx a'b\\\"c");
    check("\"@within %{tx.a}x%{REQUEST_HEADERS:Host}\"", "@within %{TX.a}x%{REQUEST_HEADERS.host}");
    check("\"@rx %{2}|%{ |%{1,3}\"", "@rx %{2}|%{ |%{1,3}");
    check("\"@pmf words.data\"", "@pmFromFile words.data");
    check("\"@pmFromFile top.data words.data\"", "@pmFromFile top.data words.data");
}

#[test]
fn data_is_found_beside_the_rules_first_and_then_below_the_roots() {
    let (parsed, said) = try_load(&files("SecRule ARGS \"@pmf words.data top.data\""), &["rules/a.conf"]);
    assert!(said.is_empty());
    let crate::seclang::ast::DirectiveKind::Rule { operator, .. } = &parsed.directives[0].kind else { panic!() };
    assert_eq!(operator.data.as_deref(), Some(b"x\ntop".as_slice()));
    let names: Vec<_> = parsed.files.iter().map(|file| file.to_str().unwrap()).collect();
    assert_eq!(names, ["rules/a.conf", "rules/words.data", "top.data"]);
}

#[test]
fn actions() {
    let check =
        |list: &str, expect: &str| check(&format!("SecAction \"{list}\""), &[&format!("SecAction \"{expect}\"")]);
    check("id:'123', phase:request ,LOG,noAuditLog", "id:123,phase:2,log,noauditlog");
    check("phase:'LOGGING',phase:response,phase:1", "phase:5,phase:4,phase:1");
    check("msg:'a, b: \\'c\\' \\\"d\\\"',tag:x/y z", "msg:'a, b: \\'c\\' \\\"d\\\"',tag:'x/y z'");
    check("severity:'CRITICAL',severity:7,severity:emergency", "severity:2,severity:7,severity:0");
    check(
        "ver:'OWASP_CRS/4.28.0',rev:2,maturity:'9',accuracy:8",
        "ver:'OWASP_CRS/4.28.0',rev:'2',maturity:1,maturity:1",
    );
    check(
        "t:none,t:urlDecodeUni,t:normalisePathWin,t:UTF8TOUNICODE",
        "t:none,t:urldecodeuni,t:normalizepathwin,t:utf8tounicode",
    );
    check(
        "block,deny,drop,pass,allow,allow:phase,allow:Request",
        "block,deny,drop,pass,allow,allow:phase,allow:request",
    );
    check("redirect:'http://x/?a=%{REQUEST_URI}',status:302", "redirect:'http://x/?a=%{REQUEST_URI}',status:302");
    check("chain,capture,multimatch,skip:3,skipAfter:END-X", "chain,capture,multiMatch,skip:3,skipAfter:'END-X'");
    check("msg:'%{matched_var}% %{RULE.id}'", "msg:'%{MATCHED_VAR}% %{RULE.id}'");
    self::check("SecRule ARGS a \"\"", &["SecRule ARGS \"@rx a\""]);
}

#[test]
fn variables_are_set() {
    let check =
        |list: &str, expect: &str| check(&format!("SecAction \"{list}\""), &[&format!("SecAction \"{expect}\"")]);
    check("setvar:tx.A", "setvar:'TX.a=1'");
    check("setvar:!tx.a,setvar:'!ip.b'", "setvar:'!TX.a',setvar:'!IP.b'");
    check("setvar:'tx.a=+%{tx.B}'", "setvar:'TX.a=+%{TX.b}'");
    check("setvar:tx.a=-5,setvar:tx.b=", "setvar:'TX.a=-5',setvar:'TX.b='");
    check("setvar:tx.a='b, c',setvar:'tx.d=e=f, g'", "setvar:'TX.a=b, c',setvar:'TX.d=e=f, g'");
    check("setvar:'tx.%{rule.id}-X%{MATCHED_VAR_NAME}=%{tx.0}'", "setvar:'TX.%{RULE.id}-x%{MATCHED_VAR_NAME}=%{TX.0}'");
    check(
        "initcol:ip=%{remote_addr}_%{tx.ua_hash},initcol:global=global",
        "initcol:'IP=%{REMOTE_ADDR}_%{TX.ua_hash}',initcol:'GLOBAL=global'",
    );
    check("expirevar:'ip.flag=60',expirevar:ip.x=%{tx.t}", "expirevar:'IP.flag=60',expirevar:'IP.x=%{TX.t}'");
}

#[test]
fn the_engine_is_changed() {
    let check =
        |list: &str, expect: &str| check(&format!("SecAction \"{list}\""), &[&format!("SecAction \"{expect}\"")]);
    check(
        "ctl:ruleEngine=detectiononly,ctl:requestBodyProcessor=xml",
        "ctl:ruleEngine=DetectionOnly,ctl:requestBodyProcessor=XML",
    );
    check(
        "ctl:auditLogParts=+E,ctl:forceRequestBodyVariable=On",
        "ctl:auditLogParts=+E,ctl:forceRequestBodyVariable=On",
    );
    check("ctl:ruleRemoveById=1-5,ctl:ruleRemoveById=7", "ctl:ruleRemoveById=1-5,ctl:ruleRemoveById=7");
    check("ctl:'ruleRemoveById=1 3-4'", "ctl:ruleRemoveById=1,ctl:ruleRemoveById=3-4");
    check(
        "ctl:ruleRemoveByTag=OWASP_CRS,ctl:ruleRemoveByMsg='a b'",
        "ctl:ruleRemoveByTag='OWASP_CRS',ctl:ruleRemoveByMsg='a b'",
    );
    check("ctl:ruleRemoveTargetById=942100;ARGS:x", "ctl:ruleRemoveTargetById=942100;ARGS:x");
    check(
        "ctl:ruleRemoveTargetByTag=a/b;XML:/*|ARGS",
        "ctl:ruleRemoveTargetByTag=a/b;XML:/*,ctl:ruleRemoveTargetByTag=a/b;ARGS",
    );
    check("ctl:ruleRemoveTargetById=9;ARGS:/^a/", "ctl:ruleRemoveTargetById=9;ARGS:'/^a/'");
}

#[test]
fn other_directives() {
    check("SecRuleRemoveById 1 \"2-3\" 4,5", &["SecRuleRemoveById 1,2-3,4,5"]);
    check(
        "SecRuleRemoveByTag \"a/.*\"\nSecRuleRemoveByMsg 'b c'",
        &["SecRuleRemoveByTag \"a/.*\"", "SecRuleRemoveByMsg \"b c\""],
    );
    check(
        "SecRuleUpdateTargetById 932240 \"!REQUEST_COOKIES:/^_ga(?:_\\w+)?$/\"",
        &["SecRuleUpdateTargetById 932240 \"!REQUEST_COOKIES:'/^_ga(?:_\\w+)?$/'\""],
    );
    check("SecRuleUpdateTargetByTag x \"!ARGS:a,!ARGS:b\"", &["SecRuleUpdateTargetByTag \"x\" \"!ARGS:a|!ARGS:b\""]);
    check("SecRuleUpdateActionById 5 pass,nolog", &["SecRuleUpdateActionById 5 \"pass,nolog\""]);
    check("SecRuleUpdateTargetById 5 !XML", &["SecRuleUpdateTargetById 5 \"!XML:/*|!XML://@*\""]);
    check("SecDefaultAction \"phase:1,log,pass\"", &["SecDefaultAction \"phase:1,log,pass\""]);
    check(
        "SecResponseBodyMimeType text/plain (null) Text/HTML",
        &["SecResponseBodyMimeType text/plain (null) text/html"],
    );
    check(
        "SecArgumentSeparator &\nSecArgumentSeparator \";\"",
        &["SecArgumentSeparator \"&\"", "SecArgumentSeparator \";\""],
    );
    check("SecRequestBodyLimitAction processpartial", &["SecRequestBodyLimitAction ProcessPartial"]);
    check(
        "SecAuditLogParts ABIJDEFHZ\nSecXmlExternalEntity Off",
        &["SecAuditLogParts Off", "SecXmlExternalEntity Off"],
    );
}

#[test]
fn includes() {
    let files = || {
        MemoryFiles::new()
            .with(
                "rules/main.conf",
                "SecMarker a\nInclude sub/*.conf\nIncludeOptional no/*\nIncludeOptional no.conf\nSecMarker z",
            )
            .with("rules/sub/2.conf", "SecMarker two")
            .with("rules/sub/1.conf", "Include \"../other.conf\"\nSecMarker one")
            .with("rules/other.conf", "SecMarker other")
    };
    let (parsed, said) = try_load(&files(), &["rules/main.conf"]);
    assert!(said.is_empty(), "{said:?}");
    let found: Vec<_> = parsed.directives.iter().map(print::directive).collect();
    let expect = ["a", "other", "one", "two", "z"].map(|name| format!("SecMarker \"{name}\""));
    assert_eq!(found, expect);
    assert_eq!(parsed.directives[1].location.file.to_str(), Some("rules/other.conf"));
    assert_eq!(parsed.files.len(), 4);

    let circle = files().with("rules/other.conf", "SecMarker x\nInclude main.conf");
    let (_, said) = try_load(&circle, &["rules/main.conf"]);
    assert_eq!(said.len(), 1);
    assert_eq!((said[0].file.as_str(), said[0].line, said[0].column), ("rules/other.conf", 2, 9));
    assert!(said[0].message.contains("includes itself"), "{}", said[0]);
}

#[test]
fn files_that_cannot_be_read_are_said() {
    let check = |files: &dyn Files, pattern: &str, expect: &str| {
        let (_, said) = try_load(files, &[pattern]);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].message.contains(expect), "{}", said[0]);
    };
    check(&MemoryFiles::new(), "none.conf", "no such file");
    check(&MemoryFiles::new(), "none/*.conf", "no file has such a name");
    check(&MemoryFiles::new().with("a.conf", b"\n\n\xff"), "a.conf", "its line 3 is not UTF-8");
    check(&MemoryFiles::new().with("a.conf", "Include b/*.conf"), "a.conf", "no file is named like b/*.conf");
    check(
        &MemoryFiles::new().with("a.conf", "Include b.conf"),
        "a.conf",
        "b.conf is not included: there is no such file",
    );
    let mut chain = MemoryFiles::new();
    for depth in 0..40 {
        chain = chain.with(format!("{depth}.conf"), format!("Include {}.conf", depth + 1));
    }
    check(&chain, "0.conf", "nested deeper than");
    let mut many = MemoryFiles::new().with("a.conf", "Include b.conf\n".repeat(3_000));
    many = many.with("b.conf", "");
    let (_, said) = try_load(&many, &["a.conf"]);
    assert!(said.len() <= 200 && said[0].message.contains("more than 2000 files"), "{}", said[0]);
    let large = MemoryFiles::new().with("a.conf", vec![b'#'; (8 << 20) + 1]);
    check(&large, "a.conf", "larger than");
}

#[test]
fn wrong_lines_and_words() {
    wrong("SecRul ARGS x", &[(1, 1, "did you mean `SecRule`")]);
    wrong("\n\nid:1", &[(3, 1, "unknown directive `id:1`")]);
    wrong("<IfModule x>\nSecMarker a\n</IfModule>", &[(1, 1, "keep the rules between"), (3, 1, "blocks")]);
    wrong("SecMarker \"x", &[(1, 11, "is not closed")]);
    wrong("SecMarker \\\n  \"x", &[(2, 3, "is not closed")]);
    wrong("SecMarker \"x\"y", &[(1, 14, "without a blank")]);
    wrong("SecMarker", &[(1, 1, "needs a value")]);
    wrong("SecMarker a b", &[(1, 13, "takes one value")]);
    wrong("# x \\\nSecMarker b", &[(1, 1, "a backslash ends this comment")]);
    wrong("SecGeoLookupDb x", &[(1, 1, "is not supported; take it out")]);
    wrong("SecRuleScript x.lua", &[(1, 1, "programs are not run")]);
    wrong("SecRule ARGS", &[(1, 1, "takes targets, an operator and actions")]);
    wrong("SecRule ARGS a id:1 pass", &[(1, 21, "no more")]);
    wrong("SecRuleUpdateTargetById 1 ARGS TX", &[(1, 32, "takes two values")]);
    wrong("SecRuleUpdateActionById 1-2 pass", &[(1, 25, "one rule is changed at a time")]);
}

#[test]
fn wrong_targets() {
    wrong("SecRule ARG x", &[(1, 9, "did you mean `ARGS`")]);
    wrong("SecRule ARGS|FOO_BAR_BAZ_X|REQUEST_URL x", &[(1, 14, "unknown variable"), (1, 28, "REQUEST_URI")]);
    wrong("SecRule ARGS||TX x", &[(1, 14, "a variable is missing")]);
    wrong("SecRule \"\" x", &[(1, 10, "no variable is named")]);
    wrong("SecRule ARGS:|TX x", &[(1, 14, "the selector is empty")]);
    wrong("SecRule ARGS:/a x", &[(1, 14, "stands between two slashes")]);
    wrong("SecRule REQUEST_LINE:x x", &[(1, 22, "one value only")]);
    wrong("SecRule XML:/a/b|XML x", &[(1, 13, "the XPath `/a/b` is not supported"), (1, 18, "XML needs a path")]);
    wrong("SecRule ENV:x|FILES_TMPNAMES x", &[(1, 9, "not supported"), (1, 15, "FILES_TMP_CONTENT")]);
    wrong("SecRule RULE:idd x", &[(1, 14, "did you mean `id`")]);
    wrong("SecRule ARGS:'a x", &[(1, 14, "is not closed")]);
}

#[test]
fn wrong_operators() {
    wrong("SecRule ARGS \"@rxx a\"", &[(1, 16, "did you mean `rx`")]);
    wrong("SecRule ARGS \"@validateSchema a\"", &[(1, 16, "not supported; take the rule out; routes may name")]);
    wrong("SecRule ARGS \"@pmFromFile\"", &[(1, 26, "needs the name of a file")]);
    wrong("SecRule ARGS \"@pmFromFile no.data\"", &[(1, 27, "rules/no.data cannot be read: there is no such file")]);
    wrong("SecRule ARGS \"@pmf https://x/y\"", &[(1, 20, "from files only")]);
    wrong("SecRule ARGS \"@within %{txx.a}\"", &[(1, 25, "did you mean `TX`")]);
}

#[test]
fn wrong_actions() {
    let wrong =
        |list: &str, column: usize, part: &str| wrong(&format!("SecAction \"{list}\""), &[(1, 12 + column, part)]);
    wrong("idd:1", 0, "did you mean `id`");
    wrong("id:0", 3, "a whole number from 1");
    wrong("id:-1", 3, "a whole number");
    wrong("id:+1", 3, "a whole number");
    wrong("id:99999999999", 3, "a whole number");
    wrong("id:'1,pass", 3, "is not closed");
    wrong("id:1',pass", 3, "a whole number");
    wrong("id", 0, "needs a value");
    wrong("msg:''", 0, "needs a value");
    wrong("pass:1", 5, "takes no value");
    wrong("id:1,,pass", 5, "an action is missing");
    wrong("msg:'it's'", 8, "without a comma");
    wrong("phase:6", 6, "1 to 5");
    wrong("phase:requst", 6, "did you mean `request`");
    wrong("severity:8", 9, "0 to 7");
    wrong("status:44", 7, "from 200 to 599");
    wrong("t:lowercas", 2, "did you mean `lowercase`");
    wrong("t:parityEven7bit", 2, "is not supported");
    wrong("exec:/bin/x", 0, "programs are not run");
    wrong("setsid:%{REMOTE_ADDR}", 0, "use initcol:session");
    wrong("allow:all", 6, "allow:phase or allow:request");
    wrong("setvar:foo", 7, "collection.name");
    wrong("setvar:args.x=1", 7, "unknown collection");
    wrong("setvar:tx.=1", 7, "has no name");
    wrong("initcol:tx=1", 8, "without initcol");
    wrong("initcol:ip", 8, "needs a key");
    wrong("expirevar:ip.x=soon", 10, "no whole number of seconds");
    wrong("msg:'%{nosuchthing}'", 7, "unknown variable in a macro");
    wrong("msg:'%{tx.a'", 5, "has no end");
    wrong("msg:'%{remote_addr.x}'", 19, "one value only");
    wrong("ctl:ruleRemoveByIdd=1", 4, "did you mean `ruleRemoveById`");
    wrong("ctl:requestBodyLimit=1", 4, "set the body limit");
    wrong("ctl:ruleRemoveById=a", 19, "no rule id");
    wrong("ctl:ruleRemoveById=5-1", 19, "no rule id");
    wrong("ctl:ruleRemoveTargetById=1", 25, "the target is missing");
    wrong("ctl:ruleRemoveTargetById=1;!ARGS", 27, "by its name alone");
    wrong("ctl:ruleEngine=Maybe", 15, "On, DetectionOnly, Off");
    wrong("ctl:requestBodyProcessor=YAML", 25, "URLENCODED, MULTIPART, JSON or XML");
}

#[test]
fn wrong_settings() {
    wrong("SecRuleEngine Onn", &[(1, 15, "did you mean `On`")]);
    wrong("SecRequestBodyLimit 10MB", &[(1, 21, "no whole number")]);
    wrong("SecRequestBodyLimit -1", &[(1, 21, "no whole number")]);
    wrong("SecArgumentSeparator ab", &[(1, 22, "one ASCII character")]);
    wrong("SecXmlExternalEntity On", &[(1, 22, "write Off")]);
    wrong("SecUnicodeMapFile words.data", &[(1, 1, "a file and a code page")]);
    wrong("SecUnicodeMapFile words.data 20127", &[(1, 19, "no code page 20127")]);
}

#[test]
fn all_errors_of_all_files_are_said_at_once() {
    let files = MemoryFiles::new()
        .with("a.conf", "SecRule ARG \"@foo x\" \"idd:1,phase:9\"\nInclude b.conf\nSecMarke x")
        .with("b.conf", "SecRuleEngine Maybe");
    let (_, said) = try_load(&files, &["a.conf", "none.conf"]);
    let places: Vec<_> = said.iter().map(|one| (one.file.as_str(), one.line, one.column)).collect();
    let expect = [
        ("a.conf", 1, 9),
        ("a.conf", 1, 15),
        ("a.conf", 1, 23),
        ("a.conf", 1, 35),
        ("a.conf", 3, 1),
        ("b.conf", 1, 15),
        ("none.conf", 0, 0),
    ];
    assert_eq!(places, expect);
}
