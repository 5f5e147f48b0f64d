//! Civil time on the host by the rule that was valid at each date.
//!
//! Reference: Microsoft, *TIME_ZONE_INFORMATION structure* (year 0: `wDay` is the week of the month, 5 the
//! last), *DYNAMIC_TIME_ZONE_INFORMATION structure* (a rule per year).

use evidence::{Civil, Filetime, Record, Role, Told, ValueRef};
use serde::Serialize;

const MINUTE: i64 = 60;

/// When one of the two halves of the year begins, in the local time of the half that ends then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Transition {
    /// 0 for every year.
    year: i64,
    month: u32,
    /// 0 = Sunday.
    weekday: u32,
    /// Week of the month, 5 = the last; with a year, the day of the month.
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
}

impl Transition {
    /// From a SYSTEMTIME: year, month, weekday, day, hour, minute, second, milliseconds.
    fn from_system_time(numbers: &[u32; 8]) -> Option<Self> {
        let [year, month, weekday, day, hour, minute, second, _] = *numbers;
        Self::checked(year, month, weekday, day, hour, minute, second)
    }

    /// From TIME_FIELDS: year, month, day, hour, minute, second, milliseconds, weekday.
    fn from_time_fields(numbers: &[u32; 8]) -> Option<Self> {
        let [year, month, day, hour, minute, second, _, weekday] = *numbers;
        Self::checked(year, month, weekday, day, hour, minute, second)
    }

    fn checked(year: u32, month: u32, weekday: u32, day: u32, hour: u32, minute: u32, second: u32) -> Option<Self> {
        let possible = (1..=12).contains(&month)
            && weekday <= 6
            && (1..=if year == 0 { 5 } else { 31 }).contains(&day)
            && hour <= 23
            && minute <= 59
            && second <= 59;
        possible.then_some(Transition { year: i64::from(year), month, weekday, day, hour, minute, second })
    }

    /// The local reading in `year`, in seconds since 1970 as if it were UTC.
    fn local_seconds(self, year: i64) -> Option<i64> {
        let at = |day: u32| Civil {
            year,
            month: self.month,
            day,
            hour: self.hour,
            minute: self.minute,
            second: self.second,
            ticks: 0,
        };
        if self.year != 0 {
            return (self.year == year).then(|| at(self.day).to_filetime()).flatten().map(Filetime::unix_seconds);
        }
        let first = 1 + (self.weekday + 7 - at(1).weekday()) % 7;
        let mut day = first + (self.day - 1) * 7;
        // "5" means the last one, which may be the fourth.
        while at(day).to_filetime().is_none() && day > 7 {
            day -= 7;
        }
        at(day).to_filetime().map(Filetime::unix_seconds)
    }
}

/// Offsets and transitions valid for some years. Biases are minutes west of UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rule {
    bias: i64,
    standard_bias: i64,
    daylight_bias: i64,
    standard: Option<Transition>,
    daylight: Option<Transition>,
}

/// What holds at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    /// Minutes east of UTC.
    offset: i64,
    /// The local reading also occurs at another moment, because the clock was set back.
    ambiguous: bool,
}

impl Rule {
    fn of<'v>(told: &dyn Fn(Role) -> Option<Told<'v>>, time_fields: bool) -> Option<Self> {
        let minutes = |role| told(role).and_then(signed);
        let transition = |role| {
            let numbers: Vec<u32> = told(role)?
                .value
                .items()
                .iter()
                .map(|value| value.as_number().and_then(|number| u32::try_from(number).ok()))
                .collect::<Option<_>>()?;
            let numbers = <[u32; 8]>::try_from(numbers).ok()?;
            if time_fields { Transition::from_time_fields(&numbers) } else { Transition::from_system_time(&numbers) }
        };
        Some(Rule {
            bias: minutes(Role::Bias)?,
            standard_bias: minutes(Role::StandardBias).unwrap_or(0),
            daylight_bias: minutes(Role::DaylightBias).unwrap_or(0),
            standard: transition(Role::StandardDate),
            daylight: transition(Role::DaylightDate),
        })
    }

    fn reading(&self, seconds: i64, year: i64) -> Reading {
        let west_standard = self.bias + self.standard_bias;
        let west_daylight = self.bias + self.daylight_bias;
        let plain = Reading { offset: -west_standard, ambiguous: false };
        let (Some(daylight), Some(standard)) = (self.daylight, self.standard) else { return plain };
        let (Some(start), Some(end)) = (daylight.local_seconds(year), standard.local_seconds(year)) else {
            return plain;
        };
        let (start, end) = (start + west_standard * MINUTE, end + west_daylight * MINUTE);
        let is_daylight = if start < end { (start..end).contains(&seconds) } else { !(end..start).contains(&seconds) };
        // Where the offset falls, the readings of one shift before and after are the same.
        let repeated = |at: i64, shift: i64| shift > 0 && (at - shift..at + shift).contains(&seconds);
        let back = (west_standard - west_daylight) * MINUTE;
        Reading {
            offset: -if is_daylight { west_daylight } else { west_standard },
            ambiguous: repeated(end, back) || repeated(start, -back),
        }
    }
}

/// A signed number that the registry may hold as an unsigned 32-bit one.
fn signed(told: Told<'_>) -> Option<i64> {
    let number = match told.value {
        ValueRef::Signed(number) => number,
        other => i64::try_from(other.as_number()?).ok()?,
    };
    let number = if number > i64::from(i32::MAX) { i64::from(u32::try_from(number).ok()? as i32) } else { number };
    // No zone is further than a day from UTC; hostile values would only overflow later.
    (number.abs() <= 48 * 60).then_some(number)
}

/// The host's time zone with its rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TimeZone {
    /// Windows' name of the zone.
    pub name: Option<String>,
    /// Minutes that local standard time is behind UTC.
    pub bias: Option<i64>,
    /// Minutes that local time was behind UTC when the hive was written.
    pub active_bias: Option<i64>,
    /// Whether the clock follows summer time.
    pub daylight_time: bool,
    /// Where the rules come from, in words.
    pub rules_from: String,
    /// Rules by first year in which they hold, in order; the last one holds for all later years.
    #[serde(skip)]
    rules: Vec<(i64, Rule)>,
}

impl TimeZone {
    /// From the record of the host's setting and those of all zones that the host knows.
    pub(super) fn new(setting: &Record, zones: &[&Record]) -> Self {
        let name = setting.text_of(Role::Name).map(|name| name.trim_end_matches('\0').to_owned());
        let fixed = Rule::of(&|role| setting.role(role), true);
        let off = setting.role(Role::DaylightOff).and_then(Told::flag) == Some(true);
        let known = zones.iter().find(|zone| {
            name.as_deref()
                .is_some_and(|name| zone.text_of(Role::Name).is_some_and(|other| other.eq_ignore_ascii_case(name)))
        });
        let (mut rules, rules_from) = match known.map(|zone| zone_rules(zone)) {
            Some(rules) if !rules.is_empty() => {
                let from = match rules.as_slice() {
                    [_] => "the one rule of this zone in the registry".to_owned(),
                    [.., (last, _)] => format!("the rules of this zone in the registry, one a year until {last}"),
                    [] => String::new(),
                };
                (rules, from)
            }
            _ => (
                fixed.map(|rule| (i64::MIN, rule)).into_iter().collect(),
                "TimeZoneInformation alone: the rule of the year in which the hive was written, applied to every year"
                    .to_owned(),
            ),
        };
        if off {
            // The clock stays on standard time all year.
            for (_, rule) in &mut rules {
                (rule.standard, rule.daylight) = (None, None);
            }
        }
        TimeZone {
            name,
            bias: setting.role(Role::Bias).and_then(signed),
            active_bias: setting.role(Role::ActiveBias).and_then(signed),
            daylight_time: rules.iter().any(|(_, rule)| rule.daylight.is_some()),
            rules_from,
            rules,
        }
    }

    fn rule(&self, year: i64) -> Option<&Rule> {
        let later = self.rules.partition_point(|(first, _)| *first <= year);
        self.rules.get(later.saturating_sub(1)).map(|(_, rule)| rule)
    }

    /// The local reading with its offset, `2026-03-10T22:14:07.9000000-04:00`. A reading that occurs twice
    /// says so. `None` where the rules are not known.
    pub fn local(&self, at: Filetime) -> Option<String> {
        let seconds = at.unix_seconds();
        let newest = self.rules.last().map(|(_, rule)| rule)?;
        let year = shifted(at, -(newest.bias + newest.standard_bias))?.civil().year;
        let reading = self.rule(year)?.reading(seconds, year);
        let civil = shifted(at, reading.offset)?.civil();
        let (sign, minutes) = if reading.offset < 0 { ('-', -reading.offset) } else { ('+', reading.offset) };
        let again = if reading.ambiguous { " (this reading occurs twice; the offset tells which)" } else { "" };
        Some(format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:07}{sign}{:02}:{:02}{again}",
            civil.year,
            civil.month,
            civil.day,
            civil.hour,
            civil.minute,
            civil.second,
            civil.ticks,
            minutes / 60,
            minutes % 60
        ))
    }
}

fn shifted(at: Filetime, minutes: i64) -> Option<Filetime> {
    at.checked_add_ticks(minutes * MINUTE * 10_000_000)
}

/// The rules of a zone's record, by first year. Years before the first listed one use that one.
fn zone_rules(zone: &Record) -> Vec<(i64, Rule)> {
    let mut dated = Vec::new();
    let mut default = None;
    for entry in zone.role(Role::Rules).into_iter().flat_map(Told::items) {
        let Some(rule) = Rule::of(&|role| entry.role(role), false) else { continue };
        match entry.role(Role::Year).and_then(Told::number).and_then(|year| i64::try_from(year).ok()) {
            Some(year) => dated.push((year, rule)),
            None => default = Some(rule),
        }
    }
    dated.sort_by_key(|(year, _)| *year);
    dated.dedup_by_key(|(year, _)| *year);
    match (dated.first_mut(), default) {
        (Some(first), _) => first.0 = i64::MIN,
        (None, Some(rule)) => dated.push((i64::MIN, rule)),
        (None, None) => {}
    }
    dated
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::values;
    use evidence::{Fields, Value};

    fn setting(fields: &Fields) -> Record {
        values("host", "windows:host:time_zone", fields.clone())
    }

    fn numbers(numbers: [u32; 8]) -> Value {
        Value::List(numbers.into_iter().map(|number| Value::Unsigned(u64::from(number))).collect())
    }

    fn rule(year: Option<u64>, biases: [i64; 3], standard: [u32; 8], daylight: [u32; 8]) -> Value {
        let mut map: Vec<(String, Value)> = Vec::new();
        if let Some(year) = year {
            map.push(("Year".to_owned(), Value::Unsigned(year)));
        }
        for (name, bias) in ["Bias", "StandardBias", "DaylightBias"].into_iter().zip(biases) {
            map.push((name.to_owned(), Value::Signed(bias)));
        }
        map.push(("StandardDate".to_owned(), numbers(standard)));
        map.push(("DaylightDate".to_owned(), numbers(daylight)));
        Value::Map(map)
    }

    fn zone(name: &str, rules: Vec<Value>) -> TimeZone {
        let mut own = Fields::new();
        own.push("Name", name);
        let mut known = Fields::new();
        known.push("Name", name);
        known.push("Rules", Value::List(rules));
        TimeZone::new(&setting(&own), &[&values("host", "windows:host:time_zone_rules", known)])
    }

    fn local(zone: &TimeZone, utc: &str) -> String {
        zone.local(Filetime::parse_utc(utc).unwrap()).unwrap()
    }

    /// Eastern time: until 2006 from April to October, from 2007 on from March to November.
    fn eastern() -> TimeZone {
        let until_2006 = |year| rule(Some(year), [300, 0, -60], [0, 10, 0, 5, 2, 0, 0, 0], [0, 4, 0, 1, 2, 0, 0, 0]);
        let since_2007 = |year| rule(year, [300, 0, -60], [0, 11, 0, 1, 2, 0, 0, 0], [0, 3, 0, 2, 2, 0, 0, 0]);
        zone("Eastern Standard Time", vec![since_2007(None), until_2006(2006), since_2007(Some(2007))])
    }

    #[test]
    fn eastern_time_through_the_years() {
        let zone = eastern();
        // Readings computed with the IANA zone America/New_York by coreutils' date.
        for (utc, wanted) in [
            ("2026-03-11 02:14:07.900", "2026-03-10T22:14:07.9000000-04:00"),
            ("2026-03-08 06:59:59", "2026-03-08T01:59:59.0000000-05:00"),
            ("2026-03-08 07:00:00", "2026-03-08T03:00:00.0000000-04:00"),
            ("2006-03-20 12:00:00", "2006-03-20T07:00:00.0000000-05:00"),
            (
                "2006-10-29 05:30:00",
                "2006-10-29T01:30:00.0000000-04:00 (this reading occurs twice; the offset tells which)",
            ),
            (
                "2006-10-29 06:30:00",
                "2006-10-29T01:30:00.0000000-05:00 (this reading occurs twice; the offset tells which)",
            ),
            ("2006-10-29 07:00:00", "2006-10-29T02:00:00.0000000-05:00"),
            ("2006-10-29 04:59:59", "2006-10-29T00:59:59.0000000-04:00"),
            ("2019-07-19 14:45:55.699", "2019-07-19T10:45:55.6990000-04:00"),
            ("2020-01-01 03:00:00", "2019-12-31T22:00:00.0000000-05:00"),
        ] {
            assert_eq!(local(&zone, utc), wanted, "{utc}");
        }
    }

    #[test]
    fn southern_hemisphere_and_half_hours() {
        // Sydney: first Sunday of October to first Sunday of April.
        let sydney = zone(
            "AUS Eastern Standard Time",
            vec![rule(None, [-600, 0, -60], [0, 4, 0, 1, 3, 0, 0, 0], [0, 10, 0, 1, 2, 0, 0, 0])],
        );
        assert_eq!(local(&sydney, "2026-01-15 00:00:00"), "2026-01-15T11:00:00.0000000+11:00");
        assert_eq!(local(&sydney, "2026-07-15 00:00:00"), "2026-07-15T10:00:00.0000000+10:00");
        assert_eq!(local(&sydney, "2025-12-31 13:30:00"), "2026-01-01T00:30:00.0000000+11:00");
        // Lord Howe shifts by half an hour: from 02:00 back to 01:30.
        let howe = zone(
            "Lord Howe Standard Time",
            vec![rule(None, [-630, 0, -30], [0, 4, 0, 1, 2, 0, 0, 0], [0, 10, 0, 1, 2, 0, 0, 0])],
        );
        assert_eq!(local(&howe, "2026-01-15 00:00:00"), "2026-01-15T11:00:00.0000000+11:00");
        assert!(local(&howe, "2026-04-04 14:45:00").contains("twice"));
        assert!(!local(&howe, "2026-04-04 14:29:00").contains("twice"));
        assert!(!local(&howe, "2026-04-04 15:31:00").contains("twice"));
        let kolkata = zone("India Standard Time", vec![rule(None, [-330, 0, -60], [0; 8], [0; 8])]);
        assert_eq!(local(&kolkata, "2026-07-01 00:00:00"), "2026-07-01T05:30:00.0000000+05:30");
    }

    #[test]
    fn the_last_weekday_of_a_month() {
        // Berlin, "5 = last": 25 October 2026 is the fourth Sunday and the last; 29 March 2026 the fifth.
        let berlin = zone(
            "W. Europe Standard Time",
            vec![rule(None, [-60, 0, -60], [0, 10, 0, 5, 3, 0, 0, 0], [0, 3, 0, 5, 2, 0, 0, 0])],
        );
        assert_eq!(local(&berlin, "2026-03-29 00:59:59"), "2026-03-29T01:59:59.0000000+01:00");
        assert_eq!(local(&berlin, "2026-03-29 01:00:00"), "2026-03-29T03:00:00.0000000+02:00");
        assert!(local(&berlin, "2026-10-25 00:30:00").starts_with("2026-10-25T02:30:00.0000000+02:00 (this"));
        assert!(local(&berlin, "2026-10-25 01:30:00").starts_with("2026-10-25T02:30:00.0000000+01:00 (this"));
    }

    #[test]
    fn without_the_zones_the_setting_decides() {
        let mut own = Fields::new();
        own.push("Name", "Eastern Standard Time");
        own.push("Bias", 300u64);
        own.push("StandardBias", 0u64);
        // As an unsigned number: -60.
        own.push("DaylightBias", 4_294_967_236u64);
        // As real hives store them, in the order of TIME_FIELDS.
        own.push("StandardDate", numbers([0, 11, 1, 2, 0, 0, 0, 0]));
        own.push("DaylightDate", numbers([0, 3, 2, 2, 0, 0, 0, 0]));
        let zone = TimeZone::new(&setting(&own), &[]);
        assert_eq!(local(&zone, "2026-03-11 02:14:07.900"), "2026-03-10T22:14:07.9000000-04:00");
        assert_eq!(local(&zone, "2026-03-08 06:59:59"), "2026-03-08T01:59:59.0000000-05:00");
        own.push("DynamicDaylightTimeDisabled", true);
        let zone = TimeZone::new(&setting(&own), &[]);
        assert_eq!(local(&zone, "2026-07-01 12:00:00"), "2026-07-01T07:00:00.0000000-05:00");
        assert_eq!(TimeZone::new(&setting(&Fields::new()), &[]).local(Filetime(1)), None);
    }

    #[test]
    fn hostile_numbers() {
        let mut own = Fields::new();
        own.push("Bias", u64::MAX);
        assert_eq!(TimeZone::new(&setting(&own), &[]).local(Filetime(u64::MAX)), None);
        let zone = zone("x", vec![rule(None, [2_000, 0, 0], [9, 99, 9, 9, 99, 0, 0, 0], [0; 8])]);
        assert!(zone.local(Filetime(0)).is_none(), "before 1601");
        let _ = zone.local(Filetime(u64::MAX));
    }
}
