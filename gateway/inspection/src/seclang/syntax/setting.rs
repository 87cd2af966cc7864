//! Directives that set one thing: `SecRuleEngine On`.

use super::here::{Here, shortened};
use super::line::Span;
use super::read::Reader;
use super::unicode_map;
use super::word::Word;
use crate::seclang::ast::{EngineMode, Setting};

/// Directives that are read and change nothing: Rampart writes its own events, and bodies never leave memory.
const WITHOUT_EFFECT: [&str; 24] = [
    "SecAuditEngine",
    "SecAuditLog",
    "SecAuditLog2",
    "SecAuditLogDirMode",
    "SecAuditLogFileMode",
    "SecAuditLogFormat",
    "SecAuditLogParts",
    "SecAuditLogPrefix",
    "SecAuditLogRelevantStatus",
    "SecAuditLogStorageDir",
    "SecAuditLogType",
    "SecDataDir",
    "SecDebugLog",
    "SecDebugLogLevel",
    "SecRequestBodyInMemoryLimit",
    "SecRulePerfTime",
    "SecSensorId",
    "SecStatusEngine",
    "SecTmpDir",
    "SecTmpSaveUploadedFiles",
    "SecUploadDir",
    "SecUploadFileMode",
    "SecUploadKeepFiles",
    "SecUnicodeCodePage",
];

/// Directives that set something.
pub(super) const NAMES: [&str; 22] = [
    "SecRuleEngine",
    "SecRequestBodyAccess",
    "SecRequestBodyLimit",
    "SecRequestBodyNoFilesLimit",
    "SecRequestBodyLimitAction",
    "SecRequestBodyJsonDepthLimit",
    "SecArgumentsLimit",
    "SecResponseBodyAccess",
    "SecResponseBodyMimeType",
    "SecResponseBodyMimeTypesClear",
    "SecResponseBodyLimit",
    "SecResponseBodyLimitAction",
    "SecCollectionTimeout",
    "SecComponentSignature",
    "SecArgumentSeparator",
    "SecCookieFormat",
    "SecPcreMatchLimit",
    "SecPcreMatchLimitRecursion",
    "SecWebAppId",
    "SecServerSignature",
    "SecUnicodeMapFile",
    "SecXmlExternalEntity",
];

/// The directive of this name as the manual spells it, where it sets something or is without effect.
pub(super) fn known(name: &str) -> Option<&'static str> {
    WITHOUT_EFFECT.into_iter().chain(NAMES).find(|known| known.eq_ignore_ascii_case(name))
}

/// What the directive `known`, written as `name`, says in `words`; `None` where it is wrong, which is reported.
pub(super) fn read(
    known: &'static str,
    name: Span<'_>,
    words: &[Word<'_>],
    here: &Here<'_>,
    reader: &mut Reader<'_>,
) -> Option<Setting> {
    match known {
        known if WITHOUT_EFFECT.contains(&known) => Some(Setting::WithoutEffect(known.into())),
        "SecResponseBodyMimeTypesClear" => match words {
            [] => Some(Setting::ResponseBodyMimeTypesClear),
            [surplus, ..] => {
                here.error(surplus.span, format!("{known} takes no value")).help("leave it out");
                None
            }
        },
        "SecResponseBodyMimeType" => mime_types(name, words, here),
        "SecUnicodeMapFile" => unicode_map(name, words, here, reader),
        _ => only(name, words, here).and_then(|word| one_value(known, word, here)),
    }
}

/// The only word that a directive takes.
pub(super) fn only<'w, 'l>(name: Span<'_>, words: &'w [Word<'l>], here: &Here<'_>) -> Option<&'w Word<'l>> {
    match words {
        [word] if !word.span.text.is_empty() => Some(word),
        [] | [_] => {
            here.error(name, format!("{} needs a value", name.text));
            None
        }
        [_, surplus, ..] => {
            here.error(surplus.span, format!("{} takes one value", name.text))
                .help("put it in double quotes where it holds blanks");
            None
        }
    }
}

fn one_value(known: &str, word: &Word<'_>, here: &Here<'_>) -> Option<Setting> {
    let span = word.span;
    let text = || -> Box<str> { word.plain().into() };
    Some(match known {
        "SecRuleEngine" => Setting::Engine(engine_mode(span, here)?),
        "SecRequestBodyAccess" => Setting::RequestBodyAccess(switch(span, here)?),
        "SecRequestBodyLimit" => Setting::RequestBodyLimit(number(span, u64::MAX, here)?),
        "SecRequestBodyNoFilesLimit" => Setting::RequestBodyNoFilesLimit(number(span, u64::MAX, here)?),
        "SecRequestBodyLimitAction" => Setting::RequestBodyLimitReject(reject(span, here)?),
        "SecRequestBodyJsonDepthLimit" => Setting::RequestBodyJsonDepthLimit(small(span, here)?),
        "SecArgumentsLimit" => Setting::ArgumentsLimit(small(span, here)?),
        "SecResponseBodyAccess" => Setting::ResponseBodyAccess(switch(span, here)?),
        "SecResponseBodyLimit" => Setting::ResponseBodyLimit(number(span, u64::MAX, here)?),
        "SecResponseBodyLimitAction" => Setting::ResponseBodyLimitReject(reject(span, here)?),
        "SecCollectionTimeout" => Setting::CollectionTimeout(number(span, u64::MAX, here)?),
        "SecComponentSignature" => Setting::ComponentSignature(text()),
        "SecArgumentSeparator" => Setting::ArgumentSeparator(byte(&word.plain(), span, here)?),
        "SecCookieFormat" => Setting::CookieFormat(u8::try_from(number(span, 1, here)?).unwrap_or_default()),
        "SecPcreMatchLimit" => Setting::PcreMatchLimit(number(span, u64::MAX, here)?),
        "SecPcreMatchLimitRecursion" => Setting::PcreMatchLimitRecursion(number(span, u64::MAX, here)?),
        "SecWebAppId" => Setting::WebAppId(text()),
        "SecServerSignature" => Setting::ServerSignature(text()),
        _ => {
            if switch(span, here)? {
                here.unsupported(span, "SecXmlExternalEntity", "write Off: external entities are never fetched");
                return None;
            }
            Setting::WithoutEffect(known.into())
        }
    })
}

/// `On`, `Off`, `DetectionOnly`.
pub(super) fn engine_mode(span: Span<'_>, here: &Here<'_>) -> Option<EngineMode> {
    const MODES: [(&str, EngineMode); 3] =
        [("On", EngineMode::On), ("DetectionOnly", EngineMode::DetectionOnly), ("Off", EngineMode::Off)];
    choice(span, &MODES, here)
}

/// `On`, `Off`.
pub(super) fn switch(span: Span<'_>, here: &Here<'_>) -> Option<bool> {
    choice(span, &[("On", true), ("Off", false)], here)
}

fn reject(span: Span<'_>, here: &Here<'_>) -> Option<bool> {
    choice(span, &[("Reject", true), ("ProcessPartial", false)], here)
}

/// One of the values that have a name.
fn choice<T: Copy>(span: Span<'_>, known: &[(&str, T)], here: &Here<'_>) -> Option<T> {
    let found = known.iter().find(|(name, _)| name.eq_ignore_ascii_case(span.text.trim_ascii()));
    if found.is_none() {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        here.unknown(span, "value", names.iter().copied(), &format!("one of {}", names.join(", ")));
    }
    found.map(|(_, value)| *value)
}

fn small(span: Span<'_>, here: &Here<'_>) -> Option<u32> {
    number(span, u32::MAX.into(), here).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

fn number(span: Span<'_>, most: u64, here: &Here<'_>) -> Option<u64> {
    let text = span.text.trim_ascii();
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && *number <= most);
    if number.is_none() {
        here.error(span, format!("`{}` is no whole number up to {most}", shortened(span.text)));
    }
    number
}

fn byte(text: &str, span: Span<'_>, here: &Here<'_>) -> Option<u8> {
    if let [byte] = text.as_bytes() {
        return Some(*byte);
    }
    here.error(span, "a separator is one ASCII character").help("write &");
    None
}

/// Media types, `(null)` for a response without one.
fn mime_types(name: Span<'_>, words: &[Word<'_>], here: &Here<'_>) -> Option<Setting> {
    let types: Vec<Box<str>> = words
        .iter()
        .flat_map(|word| word.span.text.split_ascii_whitespace())
        .map(|name| name.to_ascii_lowercase().into())
        .collect();
    if types.is_empty() {
        here.error(name, "no media type is named").help("write text/html text/plain");
        return None;
    }
    Some(Setting::ResponseBodyMimeType(types))
}

/// `SecUnicodeMapFile unicode.mapping 20127`.
fn unicode_map(name: Span<'_>, words: &[Word<'_>], here: &Here<'_>, reader: &mut Reader<'_>) -> Option<Setting> {
    let [file, page] = words else {
        here.error(name, "a file and a code page are needed").help("write SecUnicodeMapFile unicode.mapping 20127");
        return None;
    };
    let page = number(page.span, u32::MAX.into(), here)?;
    let bytes = reader.data(file.span, here)?;
    match unicode_map::read(&bytes, page) {
        Ok(map) => Some(Setting::UnicodeMap(map)),
        Err(message) => {
            here.error(file.span, message).help("ModSecurity's unicode.mapping shows the form of the file");
            None
        }
    }
}
