//! What directives set for all rules. The last of a kind counts.
//!
//! Where a directive is absent, bodies of requests are inspected and those of responses are not, the engine is on, and
//! the limits are those of the reference manual, save that no argument is left out.

use super::super::ast::{EngineMode, Location, Setting};
use super::super::program::{Note, Settings};

impl Default for Settings {
    fn default() -> Self {
        Self {
            engine: EngineMode::On,
            request_body: true,
            response_body: false,
            response_types: vec!["text/plain".into(), "text/html".into()],
            request_body_limit: 128 << 20,
            request_body_no_files_limit: 1 << 20,
            request_body_reject: true,
            json_depth: 10_000,
            // No limit but the parsers' own, which refuse: arguments that are not read could hide anything.
            arguments: u32::MAX,
            response_body_limit: 512 << 10,
            response_body_reject: false,
            argument_separator: b'&',
            web_app_id: Box::default(),
            collection_timeout: 3_600,
        }
    }
}

/// Applies the directives, in their order.
pub(super) fn settle(directives: Vec<(Location, Setting)>, notes: &mut Vec<Note>) -> Settings {
    let mut settings = Settings::default();
    let mut own_types = false;
    let mut engine = None;
    for (location, setting) in directives {
        let without_effect = |name: &str, why: &str| Note::remark(&location, format!("{name} has no effect: {why}"));
        match setting {
            Setting::Engine(mode) => {
                settings.engine = mode;
                engine = Some((location, mode));
            }
            Setting::RequestBodyAccess(on) => settings.request_body = on,
            Setting::RequestBodyLimit(bytes) => settings.request_body_limit = bytes,
            Setting::RequestBodyNoFilesLimit(bytes) => settings.request_body_no_files_limit = bytes,
            Setting::RequestBodyLimitReject(reject) => settings.request_body_reject = reject,
            Setting::RequestBodyJsonDepthLimit(depth) => settings.json_depth = depth,
            Setting::ArgumentsLimit(arguments) => settings.arguments = arguments,
            Setting::ResponseBodyAccess(on) => settings.response_body = on,
            Setting::ResponseBodyMimeType(types) => {
                // The first directive takes the place of the default, further ones add.
                if !std::mem::replace(&mut own_types, true) {
                    settings.response_types.clear();
                }
                settings.response_types.extend(types.iter().map(|name| name.to_ascii_lowercase().into()));
            }
            Setting::ResponseBodyMimeTypesClear => {
                own_types = true;
                settings.response_types.clear();
            }
            Setting::ResponseBodyLimit(bytes) => settings.response_body_limit = bytes,
            Setting::ResponseBodyLimitReject(reject) => settings.response_body_reject = reject,
            Setting::CollectionTimeout(seconds) => settings.collection_timeout = seconds,
            Setting::ArgumentSeparator(byte) => settings.argument_separator = byte,
            Setting::WebAppId(id) => settings.web_app_id = id,
            // A name that the rule set gives itself: there is nowhere to show it, and nothing depends on it.
            // Format 0 is the one there is.
            Setting::ComponentSignature(_) | Setting::CookieFormat(0) => {}
            Setting::CookieFormat(_) => {
                notes.push(without_effect("SecCookieFormat", "cookies are read as browsers send them"));
            }
            Setting::PcreMatchLimit(_) | Setting::PcreMatchLimitRecursion(_) => {
                notes.push(without_effect(
                    "SecPcreMatchLimit",
                    "patterns run in linear time, the few others within a bound",
                ));
            }
            Setting::ServerSignature(_) => {
                notes.push(without_effect("SecServerSignature", "set response headers on the route instead"));
            }
            Setting::UnicodeMap(_) => {
                notes.push(without_effect("SecUnicodeMapFile", "the map for code page 20127 is built in"));
            }
            Setting::WithoutEffect(name) => {
                notes.push(without_effect(&name, "Rampart has its own event log and temporary storage"));
            }
        }
    }
    if let Some((location, mode)) = engine {
        notes.extend(weaker(mode).map(|text| Note::warning(&location, text.to_owned())));
    }
    settings
}

/// What is to be said of an engine that does not block.
const fn weaker(mode: EngineMode) -> Option<&'static str> {
    match mode {
        EngineMode::On => None,
        EngineMode::DetectionOnly => {
            Some("SecRuleEngine DetectionOnly: these rules block nothing, whatever the profile's mode is")
        }
        EngineMode::Off => Some("SecRuleEngine Off: these rules do not run"),
    }
}
