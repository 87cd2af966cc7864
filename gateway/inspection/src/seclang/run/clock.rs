//! The `TIME_*` variables: the given time as a civil one, in UTC.
//!
//! Source: <https://howardhinnant.github.io/date_algorithms.html>, `civil_from_days`.

use std::time::{Duration, SystemTime};

use crate::seclang::variable::Variable;

/// The value of a `TIME` variable; `None` for any other.
pub(super) fn time(variable: Variable, now: SystemTime) -> Option<String> {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    let (year, month, day) = civil(days);
    Some(match variable {
        Variable::Time => format!("{hour:02}:{minute:02}:{second:02}"),
        Variable::TimeEpoch => seconds.to_string(),
        Variable::TimeYear => year.to_string(),
        // 0 to 11, as the manual says.
        Variable::TimeMon => (month - 1).to_string(),
        Variable::TimeDay => day.to_string(),
        Variable::TimeHour => hour.to_string(),
        Variable::TimeMin => minute.to_string(),
        Variable::TimeSec => second.to_string(),
        // 1970-01-01 was a Thursday; Sunday is 0.
        Variable::TimeWday => ((days + 4) % 7).to_string(),
        _ => return None,
    })
}

/// The date of a day since 1970-01-01.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + (month <= 2) as u64, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_civil_time_in_utc() {
        let check = |epoch: u64, variable, expect: &str| {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(epoch);
            assert_eq!(time(variable, now).as_deref(), Some(expect), "{variable:?} at {epoch}");
        };
        // 2024-02-29 23:59:58, a Thursday.
        let leap = 1_709_251_198;
        check(leap, Variable::Time, "23:59:58");
        check(leap, Variable::TimeEpoch, "1709251198");
        check(leap, Variable::TimeYear, "2024");
        check(leap, Variable::TimeMon, "1");
        check(leap, Variable::TimeDay, "29");
        check(leap, Variable::TimeHour, "23");
        check(leap, Variable::TimeMin, "59");
        check(leap, Variable::TimeSec, "58");
        check(leap, Variable::TimeWday, "4");
        check(leap + 2, Variable::TimeDay, "1");
        check(leap + 2, Variable::TimeMon, "2");
        check(0, Variable::TimeYear, "1970");
        check(946_684_799, Variable::TimeYear, "1999");
        check(946_684_800, Variable::TimeYear, "2000");
        assert_eq!(time(Variable::Tx, SystemTime::UNIX_EPOCH), None);
    }
}
