//! What a rule says of itself, and what its tags say of it in Rampart's words.

use super::super::ast::{Action, Template};
use super::super::program::About;
use super::draft::DraftLink;
use super::settled::last;
use crate::category::Category;

/// Collects it from the links of a rule and the defaults of its phase. The first link's word counts.
pub(super) fn of(id: u32, links: &[DraftLink], defaults: &[Action]) -> About {
    let tags = tags(links, defaults);
    let text = |read: fn(&Action) -> Option<&Template>| last(links, |action| read(action).cloned()).unwrap_or_default();
    let plain =
        |read: fn(&Action) -> Option<&str>| last(links, |action| read(action).map(Into::into)).unwrap_or_default();
    let literals = || tags.iter().filter_map(|tag| tag.literal()).filter_map(|tag| std::str::from_utf8(tag).ok());
    About {
        name: id.to_string().into(),
        msg: text(|action| if let Action::Msg(msg) = action { Some(msg) } else { None }),
        logdata: text(|action| if let Action::LogData(logdata) = action { Some(logdata) } else { None }),
        severity: last(links, |action| if let Action::Severity(severity) = action { Some(*severity) } else { None }),
        rev: plain(|action| if let Action::Rev(rev) = action { Some(rev) } else { None }),
        ver: plain(|action| if let Action::Ver(ver) = action { Some(ver) } else { None }),
        paranoia: literals().find_map(paranoia).unwrap_or(1),
        category: literals().find_map(category).unwrap_or(Category::Other),
        tags: tags.into(),
    }
}

/// The tags of all links, the first link's first, then those of the defaults.
fn tags(links: &[DraftLink], defaults: &[Action]) -> Vec<Template> {
    let actions = links.iter().flat_map(|link| &link.actions).chain(defaults);
    actions.filter_map(|action| if let Action::Tag(tag) = action { Some(tag.clone()) } else { None }).collect()
}

/// `paranoia-level/3` is 3.
fn paranoia(tag: &str) -> Option<u8> {
    tag.strip_prefix("paranoia-level/")?.parse().ok().filter(|level| (1..=4).contains(level))
}

/// The category of an attack, by the tag that the Core Rule Set gives it (versions 3 and 4).
fn category(tag: &str) -> Option<Category> {
    let attack = tag.strip_prefix("attack-").or_else(|| tag.strip_prefix("reputation-").map(|_| "reputation"))?;
    Some(match attack {
        "sqli" => Category::Sqli,
        "xss" => Category::Xss,
        "rce" => Category::CommandInjection,
        "lfi" => Category::PathTraversal,
        "rfi" => Category::FileInclusion,
        "ssrf" => Category::Ssrf,
        "ssti" => Category::TemplateInjection,
        "ldap" => Category::LdapInjection,
        "fixation" => Category::SessionFixation,
        "protocol" | "multipart-header" | "deprecated-header" => Category::Protocol,
        "reputation" | "reputation-scanner" | "reputation-crawler" | "reputation-scripting" => Category::Scanner,
        "dos" => Category::DenialOfService,
        _ if attack.starts_with("disclosure") => Category::DataLeakage,
        _ if attack.starts_with("injection") => Category::CodeInjection,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_name_categories_and_levels() {
        let check = |tag: &str, expect: Option<Category>| assert_eq!(category(tag), expect, "{tag}");
        check("attack-sqli", Some(Category::Sqli));
        check("attack-injection-php", Some(Category::CodeInjection));
        check("attack-injection-java", Some(Category::CodeInjection));
        check("attack-disclosure", Some(Category::DataLeakage));
        check("attack-reputation-scanner", Some(Category::Scanner));
        check("reputation-scanner", Some(Category::Scanner));
        check("attack-generic", None);
        check("language-php", None);
        assert_eq!(paranoia("paranoia-level/4"), Some(4));
        assert_eq!(paranoia("paranoia-level/9"), None);
    }
}
