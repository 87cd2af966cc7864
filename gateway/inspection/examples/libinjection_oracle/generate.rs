//! Values to compare verdicts on: sentences of loose grammars of SQL and HTML, published attacks, and what mutation makes
//! of them. The same seed gives the same values.

/// xorshift64*: enough to choose with, and the same everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next()).unwrap_or(0) % bound.max(1)
    }

    fn one_in(&mut self, odds: usize) -> bool {
        self.below(odds) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

const SPACES: [&str; 14] = ["", " ", " ", " ", "  ", "\t", "\n", "\u{b}", "/**/", "+", "\0", "/*x*/", "-- \n", "#\n"];
const QUOTES: [&str; 10] = ["'", "'", "'", "\"", "\"", "`", "\\'", "''", "\\\\'", "\\\""];
const NUMBERS: [&str; 36] = [
    "1",
    "0",
    "-1",
    "1.",
    ".5",
    "1.5",
    "1e5",
    "1e",
    "1e+",
    "1.e3",
    ".",
    "..",
    "0x",
    "0x1F",
    "0xg",
    "0b",
    "0b01",
    "0b2",
    "1f",
    "1d",
    "1fUNION",
    "1d;",
    "$1",
    "$1,000.00",
    "$.",
    "$",
    "$$a$$",
    "$t$a$t$",
    "$tag",
    "x'1f'",
    "x'1g'",
    "b'01'",
    "b'2'",
    "\\N",
    "1UNION",
    "12345678901234567890123456789012345",
];
const STRINGS: [&str; 24] = [
    "'a'",
    "''",
    "'a",
    "a'",
    "\"a\"",
    "'a''b'",
    "'a\\'b'",
    "N'a'",
    "n'a",
    "E'a'",
    "U&'a'",
    "u&'a",
    "q'(a)'",
    "q'[a]'",
    "q'!a!'",
    "nq'<a>'",
    "Q'{a",
    "_latin1'a'",
    "`a`",
    "`a",
    "`",
    "``",
    "[a]",
    "[a",
];
const NAMES: [&str; 30] = [
    "a",
    "users",
    "id",
    "foo.bar",
    "a.b.c",
    "@a",
    "@@version",
    "@",
    "@@",
    "@`a`",
    "@'a'",
    "@\"a",
    "user",
    "USER_NAME",
    "database",
    "password",
    "current_user",
    "localtime",
    "information_schema.tables",
    "sys.objects",
    "x_y",
    "`version`",
    "[my col]",
    "{a b}",
    "{``.``.id}",
    "sp_password",
    "dual",
    "é",
    "sELecT.a",
    "a_name_that_is_longer_than_31_bytes_by_far",
];
const OPERATORS: [&str; 52] = [
    "=",
    "<",
    ">",
    "<=",
    ">=",
    "<>",
    "!=",
    "<=>",
    "||",
    "&&",
    "|",
    "&",
    "^",
    "~",
    "!",
    "!!",
    "+",
    "-",
    "*",
    "/",
    "%",
    ":=",
    "::",
    ":",
    ".",
    ",",
    "(",
    ")",
    "((",
    "))",
    "{",
    "}",
    ";",
    ";;",
    "?",
    "]",
    "\\",
    "#",
    "LIKE",
    "NOT LIKE",
    "IN",
    "NOT IN",
    "IS NOT",
    "AND",
    "OR",
    "XOR",
    "DIV",
    "MOD",
    "NOT",
    "BETWEEN",
    "RLIKE",
    "SOUNDS LIKE",
];
const COMMENTS: [&str; 24] = [
    "--",
    "-- ",
    "--a",
    "--\n",
    "-- -",
    "---",
    "#",
    "# a",
    "#\n",
    "/**/",
    "/*",
    "/* a */",
    "/*!a*/",
    "/*!50000 SELECT*/",
    "/* /* */ */",
    "*/",
    "/*/",
    "/*/*/",
    "--+",
    ";--",
    ";%00",
    "\0",
    "-",
    "--sp_password",
];
const CALLS: [&str; 20] = [
    "sleep(5)",
    "version()",
    "user()",
    "USER(1)",
    "if(1,2,3)",
    "benchmark(1,md5(1))",
    "char(65,66)",
    "concat(0x1,2)",
    "database()",
    "load_file('a')",
    "extractvalue(1,2)",
    "count(*)",
    "cast(1 as int)",
    "convert(int,1)",
    "waitfor delay '0:0:5'",
    "xp_cmdshell('a')",
    "; if 1=1",
    "a.b(1)",
    "ascii(substring(a,1,1))",
    "@@version()",
];

fn space(random: &mut Random, out: &mut Vec<u8>) {
    let space = if random.one_in(3) { random.pick(&SPACES) } else { " " };
    out.extend(space.as_bytes());
}

fn operand(random: &mut Random, words: &[Vec<u8>], out: &mut Vec<u8>) {
    match random.below(10) {
        0..=2 => out.extend(random.pick(&NUMBERS).as_bytes()),
        3 | 4 => out.extend(random.pick(&STRINGS).as_bytes()),
        5 | 6 => out.extend(random.pick(&NAMES).as_bytes()),
        7 => out.extend(random.pick(&CALLS).as_bytes()),
        8 => out.extend(&words[random.below(words.len())]),
        _ => {
            out.push(b'(');
            sql(random, words, 2, out);
            if !random.one_in(4) {
                out.push(b')');
            }
        }
    }
}

fn sql(random: &mut Random, words: &[Vec<u8>], longest: usize, out: &mut Vec<u8>) {
    for _ in 0..=random.below(longest) {
        match random.below(12) {
            0..=3 => operand(random, words, out),
            4..=6 => {
                operand(random, words, out);
                space(random, out);
                out.extend(random.pick(&OPERATORS).as_bytes());
                space(random, out);
                operand(random, words, out);
            }
            7 => out.extend(random.pick(&OPERATORS).as_bytes()),
            8 => out.extend(random.pick(&COMMENTS).as_bytes()),
            9 => out.extend(random.pick(&QUOTES).as_bytes()),
            _ => out.extend(&words[random.below(words.len())]),
        }
        space(random, out);
    }
}

const TAGS: [&str; 34] = [
    "script", "SCRIPT", "scr\0ipt", "img", "a", "b", "svg", "sVgx", "xsl:x", "xml", "xss", "iframe", "base", "meta",
    "link", "style", "object", "embed", "applet", "frame", "frameset", "noscript", "form", "x", "isindex", "import",
    "listener", "handler", "comment", "vmlframe", "math", "\0b", "1", "é",
];
const ATTRIBUTES: [&str; 36] = [
    "onerror",
    "onload",
    "ONX",
    "on",
    "onx",
    "o\0nload",
    "href",
    "hr\0ef",
    "src",
    "style",
    "STYLE",
    "filter",
    "action",
    "formaction",
    "background",
    "by",
    "from",
    "to",
    "values",
    "xmlns",
    "xmlns:a",
    "xlink:href",
    "xlink",
    "attributename",
    "datasrc",
    "dataformatas",
    "dynsrc",
    "lowsrc",
    "poster",
    "folder",
    "handler",
    "class",
    "id",
    "\u{ff}",
    "a\0",
    "=",
];
const VALUES: [&str; 40] = [
    "javascript:alert(1)",
    "java",
    "JaVaScRiPt:x",
    "&#106;avascript:",
    "&#x6a;ava",
    "&#x6A",
    "&#00000106java",
    "&#1114111;",
    "&#x110000;java",
    "&#",
    "&#x",
    "&#xg",
    "&#;",
    "&",
    "&amp;",
    "data:x",
    "d\0ata:",
    "da\nta:",
    "d&#0;ata",
    "d&#10;ata",
    "vbscript:x",
    "view-source:x",
    "view&#45source",
    " \t javascript:",
    "é java",
    "\u{7f}java",
    "\u{a0}data:",
    "&#32;java",
    "&#x141;java",
    "&#362;ava",
    "x",
    "http://a/",
    "onload",
    "href",
    "",
    "/",
    ">",
    "a b",
    "`",
    "alert(1)",
];
const MARKUP: [&str; 48] = [
    "<",
    ">",
    "</",
    "/>",
    "/",
    "=",
    "<!",
    "<?",
    "<%",
    "%>",
    "<!--",
    "-->",
    "--!>",
    "-!>",
    "-\0->",
    "-\0!>",
    "--",
    "<!-- a -->",
    "<!--[if IE]>",
    "<!--`-->",
    "<!--xml -->",
    "<?xml ?>",
    "<?import a>",
    "<!ENTITY a>",
    "<!entity",
    "<!DOCTYPE html>",
    "<!doctype",
    "<![CDATA[",
    "]]>",
    "<![CDATA[a]]>",
    "</a>",
    "</a >",
    "</ a>",
    "</>",
    "</script>",
    "<\0a>",
    "'",
    "\"",
    "`",
    "\0",
    "\u{b}",
    "\u{c}",
    " ",
    "\n",
    "text",
    "<<a",
    "<a<b>",
    "\u{ff}",
];

fn html(random: &mut Random, out: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        match random.below(10) {
            0..=3 => {
                out.extend(random.pick(&["<", "<", "<", "</", "<\0", "< "]).as_bytes());
                out.extend(random.pick(&TAGS).as_bytes());
                for _ in 0..random.below(4) {
                    out.extend(random.pick(&[" ", " ", "/", "\n", "\0", "", " / ", "//"]).as_bytes());
                    attribute(random, out);
                }
                out.extend(random.pick(&[">", ">", "/>", " >", " />", "", "<"]).as_bytes());
            }
            4 | 5 => attribute(random, out),
            6 => {
                out.extend(random.pick(&["'", "\"", "`"]).as_bytes());
                out.push(b' ');
                attribute(random, out);
            }
            _ => out.extend(random.pick(&MARKUP).as_bytes()),
        }
    }
}

fn attribute(random: &mut Random, out: &mut Vec<u8>) {
    out.extend(random.pick(&ATTRIBUTES).as_bytes());
    if random.one_in(6) {
        return;
    }
    out.extend(random.pick(&["=", "=", "=", " = ", "\0=", "= ", "=\n"]).as_bytes());
    let quote = random.pick(&["", "\"", "'", "`"]);
    out.extend(quote.as_bytes());
    out.extend(random.pick(&VALUES).as_bytes());
    if !random.one_in(8) {
        out.extend(quote.as_bytes());
    }
}

/// Bytes that mean something to one of the readers.
const BYTES: &[u8] = b"'\"`\\/*-#;()[]{}<>=!&|@$%^~?:.,+ \t\n\0\x0b\x7f\xa0\xff\x80_019aeEnNqQuUxXbBdDfF";

fn mutate(random: &mut Random, pool: &[Vec<u8>], value: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        let at = random.below(value.len() + 1);
        match random.below(7) {
            0 => value.insert(at, random.pick(BYTES)),
            1 if at < value.len() => drop(value.remove(at)),
            2 if at < value.len() => value[at] = random.pick(BYTES),
            3 if at < value.len() => value[at] ^= 0x20,
            4 => value.truncate(at),
            5 => {
                let end = (at + random.below(12)).min(value.len());
                let piece = value[at..end].to_vec();
                value.splice(at..at, piece);
            }
            _ => {
                let other = &pool[random.below(pool.len())];
                let from = random.below(other.len() + 1);
                let to = (from + random.below(24)).min(other.len());
                value.splice(at..at, other[from..to].iter().copied());
            }
        }
    }
}

/// One value. `words` are those that SQL knows, `pool` are published attacks and text.
pub(crate) fn value(random: &mut Random, words: &[Vec<u8>], pool: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    match random.below(10) {
        0..=3 => sql(random, words, 5, &mut out),
        4 | 5 => html(random, &mut out),
        6 => (0..random.below(12)).for_each(|_| out.push(random.pick(BYTES))),
        7 => {
            // An attack behind an opening quote.
            operand(random, words, &mut out);
            out.extend(random.pick(&QUOTES).as_bytes());
            sql(random, words, 5, &mut out);
        }
        _ => out.extend(&pool[random.below(pool.len())]),
    }
    if random.one_in(2) {
        mutate(random, pool, &mut out);
    }
    out.truncate(4096);
    out
}
