//! Bans of one gateway: when they come, how long they last, whom they spare.

use std::net::Ipv6Addr;

use rampart_settings::{Document, Place, Report, Source, read};

use super::*;

const CODES: [&str; 5] = ["payload_blocked", "identity_missing", "identity_invalid", "rate_limited", "route_not_found"];

const START: u64 = 1_795_132_800_000_000;

fn compile(toml: &str) -> (Option<Ban>, Vec<String>) {
    let report = Report::new();
    let document = Document::parse(Source::new("rules.toml", toml), &report).unwrap();
    let raw: RawBan = read(&document, &report).unwrap_or_default();
    let ban = Ban::compile("b", &raw, &CODES, &document.root(&report));
    (ban, report.into_sorted().into_iter().map(|found| format!("{}: {}", found.path, found.message)).collect())
}

fn bans(toml: &str) -> Bans {
    let (ban, found) = compile(toml);
    assert!(found.is_empty(), "{found:?}");
    let bans = Bans::default();
    bans.reconcile(&[Arc::new(ban.unwrap())]);
    bans
}

fn at(second: u64) -> Micros {
    Micros(START + second * Micros::SECOND)
}

fn v4(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn blocked(bans: &Bans, address: IpAddr, second: u64) -> Option<BanState> {
    bans.offence(address, "payload_blocked", at(second))
}

#[test]
fn what_is_wrong_is_said() {
    let check = |toml: &str, expect: &[&str]| assert_eq!(compile(toml).1, expect, "{toml}");
    check("", &[]);
    check("after = 0", &["after: 0 is out of range"]);
    check("escalate = 101", &["escalate: 101 is out of range"]);
    check("per = \"10ms\"", &["per: \"10ms\" is not between 1s and 1d"]);
    check("for = \"2d\"", &["up_to: shorter than the first ban, which lasts 2d"]);
    check("counts = []", &["counts: nothing counts as an offence"]);
    check("counts = [\"payload_blockd\"]", &["counts[0]: unknown code \"payload_blockd\""]);
    check("allow = [\"10.0.0.1/8\"]", &["allow[0]: \"10.0.0.1/8\" has bits set behind its prefix"]);
    check(
        "allow = [\"office\"]",
        &["allow[0]: \"office\" is neither an IP address nor a network such as \"10.0.0.0/8\""],
    );
    check("allow = [\"::/0\"]", &["allow[0]: allows every address of its family: nobody there is ever banned"]);
    check("escalate = 1\nup_to = \"2d\"", &["up_to: without effect on the length: with escalate = 1 bans do not grow"]);
    let report = Report::new();
    assert_eq!(Ban::compile("admin", &RawBan::default(), &CODES, &Place::nowhere("t", &report)), None);
}

#[test]
fn a_family_of_codes_stands_for_all_of_them() {
    let (ban, _) = compile("counts = [\"identity\", \"identity_invalid\", \"rate_limited\"]");
    let counts: Vec<_> = ban.unwrap().counts.iter().map(ToString::to_string).collect();
    assert_eq!(counts, ["identity_missing", "identity_invalid", "rate_limited"]);
}

/// Offences at random times of a few addresses, against all of them kept in a list.
#[test]
fn offences_are_counted_exactly() {
    let bans = bans("after = 4\nper = \"10s\"\nfor = \"7s\"\nup_to = \"7s\"");
    let mut random = 9_u64;
    let mut logs: [Vec<u64>; 3] = Default::default();
    let mut until = [0_u64; 3];
    let (mut now, mut made) = (START, 0);
    for _ in 0..20_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let who = (random >> 40) as usize % 3;
        now += (random >> 50) % 3_000 * 1_000;
        let address = v4(u8::try_from(who).unwrap());
        let expect = if until[who] > now {
            false
        } else {
            logs[who].push(now);
            let counted = logs[who].iter().filter(|moment| **moment + 10_000_000 > now).count();
            counted >= 4
        };
        assert_eq!(bans.offence(address, "payload_blocked", Micros(now)).is_some(), expect);
        if expect {
            logs[who].clear();
            until[who] = now + 7_000_000;
            made += 1;
        }
        assert_eq!(bans.banned(address, Micros(now)).is_some(), until[who] > now);
    }
    assert!(made > 500, "{made}");
}

#[test]
fn a_repeat_lasts_longer_until_it_is_forgotten() {
    let bans = bans("after = 1\nfor = \"10s\"\nescalate = 3\nup_to = \"60s\"");
    let check = |second: u64, level: u32, length: u64| {
        let state = blocked(&bans, v4(1), second).unwrap();
        assert_eq!((state.level, state.until), (level, at(second + length)), "at {second}");
        assert_eq!(bans.banned(v4(1), at(second + length - 1)), Some(state));
        assert_eq!(bans.banned(v4(1), at(second + length)), None);
    };
    check(0, 1, 10);
    assert_eq!(blocked(&bans, v4(1), 5), None, "banned already");
    check(10, 2, 30);
    check(99, 3, 60);
    check(218, 4, 60);
    // The last one ended at 278, and is forgotten a minute later.
    check(338, 1, 10);
}

#[test]
fn what_does_not_count_bans_nobody() {
    let bans = bans("after = 2\nallow = [\"192.0.2.0/28\", \"2001:db8::/32\"]");
    for second in 0..10 {
        assert_eq!(bans.offence(v4(99), "route_not_found", at(second)), None);
        assert_eq!(blocked(&bans, v4(15), second), None, "allowed");
        assert_eq!(blocked(&bans, "::ffff:192.0.2.3".parse().unwrap(), second), None, "allowed");
        assert_eq!(blocked(&bans, "2001:db8::9".parse().unwrap(), second), None, "allowed");
    }
    assert_eq!(bans.list(at(10)), []);
    assert!(blocked(&bans, v4(16), 0).is_none() && blocked(&bans, v4(16), 1).is_some());
}

#[test]
fn an_ipv6_client_is_its_network() {
    let bans = bans("after = 3");
    let address = |host: u16| IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 0, 0, 0, host));
    assert!((0..2).all(|host| blocked(&bans, address(host), 0).is_none()));
    assert_eq!(blocked(&bans, address(2), 0).unwrap().network.to_string(), "2001:db8:1:2::/64");
    assert!(bans.banned(address(77), at(1)).is_some());
    assert!(bans.banned("2001:db8:1:3::1".parse().unwrap(), at(1)).is_none());
    assert!(bans.lift(address(5), at(2)));
    assert!(bans.banned(address(77), at(3)).is_none());
}

#[test]
fn admins_ban_and_lift() {
    let bans = bans("after = 1\nallow = [\"192.0.2.1\"]");
    let state = bans.add(v4(1), Duration::from_mins(1), "ticket 12", at(0));
    assert_eq!((&*state.ban, &*state.reason, state.until), ("admin", "ticket 12", at(60)));
    assert_eq!(bans.banned(v4(1), at(59)), Some(state), "allow lists do not hinder an admin");
    bans.add(v4(2), Duration::from_secs(u64::MAX), "for ever", at(0));
    assert_eq!(bans.list(at(0)).iter().map(|state| state.network.addr()).collect::<Vec<_>>(), [v4(1), v4(2)]);
    assert_eq!(bans.banned(v4(2), at(0)).unwrap().retry_after_s(at(0)), 365 * 86_400);
    assert!(bans.lift(v4(2), at(1)) && !bans.lift(v4(2), at(1)) && !bans.lift(v4(3), at(1)));
    // A lift forgets the level, too.
    blocked(&bans, v4(4), 1);
    bans.lift(v4(4), at(2));
    assert_eq!(blocked(&bans, v4(4), 3).unwrap().level, 1);
}

#[test]
fn a_reload_keeps_offences_and_bans() {
    let bans = bans("after = 3");
    let (same, allowing) = (compile("after = 3").0.unwrap(), compile("after = 3\nallow = [\"192.0.2.8\"]").0.unwrap());
    blocked(&bans, v4(1), 0);
    blocked(&bans, v4(1), 0);
    for _ in 0..3 {
        blocked(&bans, v4(8), 0);
    }
    bans.reconcile(&[Arc::new(same)]);
    assert!(blocked(&bans, v4(1), 1).is_some(), "two were counted before");
    assert!(bans.banned(v4(8), at(1)).is_some());
    bans.reconcile(&[Arc::new(allowing)]);
    assert!(bans.banned(v4(8), at(1)).is_none(), "it is never banned any more");
    assert!(bans.banned(v4(1), at(1)).is_some());
    bans.reconcile(&[]);
    assert!(bans.banned(v4(1), at(1)).is_some(), "a ban that was made holds");
}

/// A flood of addresses neither grows the tables without bound nor frees who is banned for long.
#[test]
fn a_flood_stays_within_bounds() {
    let bans = bans("after = 1\nfor = \"1m\"\nescalate = 1\nup_to = \"1m\"");
    bans.add(v4(1), Duration::from_hours(24), "for long", at(0));
    let address = |number: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number));
    for number in 0..250_000 {
        assert!(blocked(&bans, address(number), 1).is_some());
    }
    assert_eq!(bans.list(at(2)).len(), MAX_BANS);
    assert!(bans.banned(v4(1), at(2)).is_some());
    assert_eq!(bans.0.metrics.pushed_out.get(), 250_001 - MAX_BANS as u64);
    // And so do the logs of those who are not banned yet.
    let patient = self::bans("after = 5\nper = \"1h\"");
    for number in 0..300_000 {
        assert!(blocked(&patient, address(number), 1).is_none());
    }
    assert_eq!(patient.0.rules.load()[0].suspects.lock().len(), 100_000);
}

#[test]
fn an_entry_that_is_read_again_is_the_same_ban() {
    let bans = bans("after = 1\nfor = \"60s\"");
    let made = blocked(&bans, v4(1), 0).unwrap();
    let later = |by_us: u64, lifted: bool| {
        let state = BanState { made: Micros(made.made.0 + by_us), origin: Origin::Shared, ..made.clone() };
        Held { state, lifted, forget: at(600) }
    };
    bans.learn(Subject::of(v4(1)), later(300_000, false), at(1));
    assert_eq!(bans.list(at(1)), std::slice::from_ref(&made), "the clocks were compared anew");
    bans.learn(Subject::of(v4(1)), later(5_000_000, false), at(6));
    assert_eq!(bans.list(at(6))[0].origin, Origin::Shared, "another ban");
    bans.learn(Subject::of(v4(1)), later(5_200_000, true), at(7));
    assert!(bans.list(at(7)).is_empty(), "a lift is no ban read again");
}
