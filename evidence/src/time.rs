//! Moments as evidence stores them.
//!
//! Everything is kept in Windows' own unit, 100 ns ticks since 1601-01-01 00:00:00 UTC, because most
//! artifacts store exactly that and any other unit would round it. The raw value, its encoding and its
//! zone stay with it, so that a reader can redo the conversion by hand.

use std::fmt;

/// 100 ns ticks since 1601-01-01 00:00:00 UTC, Windows' FILETIME.
///
/// Zero means "not set" for most artifacts and is never shown as a date in 1601 by them.
///
/// Reference: Microsoft, *FILETIME structure (minwinbase.h)*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Filetime(pub u64);

const TICKS_PER_SECOND: u64 = 10_000_000;
/// Seconds from 1601-01-01 to 1970-01-01.
const UNIX_EPOCH_SECONDS: i64 = 11_644_473_600;

/// A date and time of day in the proleptic Gregorian calendar, without a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Civil {
    /// Year, 1601 to 60056 for a FILETIME.
    pub year: i64,
    /// Month, 1 to 12.
    pub month: u32,
    /// Day of the month, 1 to 31.
    pub day: u32,
    /// Hour, 0 to 23.
    pub hour: u32,
    /// Minute, 0 to 59.
    pub minute: u32,
    /// Second, 0 to 59.
    pub second: u32,
    /// Fraction of the second in 100 ns ticks, 0 to 9,999,999.
    pub ticks: u32,
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date that lies `days` after 1970-01-01.
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

impl Civil {
    /// The FILETIME of this moment read as UTC; `None` outside what a FILETIME can hold or for an
    /// impossible date.
    pub fn to_filetime(self) -> Option<Filetime> {
        if !(1..=12).contains(&self.month)
            || self.day == 0
            || self.hour > 23
            || self.minute > 59
            || self.second > 59
            || u64::from(self.ticks) >= TICKS_PER_SECOND
            || !(1601..=60_056).contains(&self.year)
        {
            return None;
        }
        let days = days_from_civil(self.year, self.month, self.day);
        if civil_from_days(days) != (self.year, self.month, self.day) {
            return None;
        }
        let of_day = i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        Filetime::from_unix_seconds(days.checked_mul(86_400)?.checked_add(of_day)?)?
            .0
            .checked_add(u64::from(self.ticks))
            .map(Filetime)
    }

    /// Day of the week, 0 = Sunday.
    pub fn weekday(self) -> u32 {
        (days_from_civil(self.year, self.month, self.day) + 4).rem_euclid(7) as u32
    }
}

impl Filetime {
    /// From seconds since 1970-01-01 UTC; `None` before 1601 or beyond a FILETIME.
    pub fn from_unix_seconds(seconds: i64) -> Option<Self> {
        let since_1601 = u64::try_from(seconds.checked_add(UNIX_EPOCH_SECONDS)?).ok()?;
        since_1601.checked_mul(TICKS_PER_SECOND).map(Filetime)
    }

    /// Whether the clock of a host can have shown it: Windows lets its clock be set from 1980 to 2099. A time outside of
    /// that was never read from a clock, whoever wrote it.
    pub fn is_possible(self) -> bool {
        (1980..2100).contains(&self.civil().year)
    }

    /// Whole seconds since 1970-01-01 UTC, rounded down; negative before 1970.
    pub fn unix_seconds(self) -> i64 {
        (self.0 / TICKS_PER_SECOND) as i64 - UNIX_EPOCH_SECONDS
    }

    /// Microseconds since 1970-01-01 UTC, rounded down: Timesketch's `timestamp`.
    pub fn unix_micros(self) -> i64 {
        (self.0 / 10) as i64 - UNIX_EPOCH_SECONDS * 1_000_000
    }

    /// `2019-07-19 14:45:55.699 UTC`, as people are shown every time: milliseconds, rounded down. What is exact stands in
    /// the citation.
    pub fn in_words(self) -> String {
        let c = self.civil();
        format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03} UTC",
            c.year,
            c.month,
            c.day,
            c.hour,
            c.minute,
            c.second,
            c.ticks / 10_000
        )
    }

    /// The calendar date and time in UTC.
    pub fn civil(self) -> Civil {
        let seconds = self.unix_seconds();
        let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
        let of_day = seconds.rem_euclid(86_400) as u32;
        Civil {
            year,
            month,
            day,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            ticks: (self.0 % TICKS_PER_SECOND) as u32,
        }
    }

    /// Adds signed 100 ns ticks; `None` when the result leaves the FILETIME range.
    pub fn checked_add_ticks(self, ticks: i64) -> Option<Self> {
        self.0.checked_add_signed(ticks).map(Filetime)
    }

    /// `self - earlier` in 100 ns ticks, saturating.
    pub fn ticks_since(self, earlier: Self) -> i64 {
        i64::try_from(i128::from(self.0) - i128::from(earlier.0)).unwrap_or(i64::MAX)
    }

    /// Parses `YYYY-MM-DD hh:mm:ss[.fraction]` or RFC 3339 with `T` and `Z`, read as UTC, and years of five digits as they
    /// are displayed. Digits beyond 100 ns are dropped. Returns `None` for anything else, including other offsets.
    pub fn parse_utc(text: &str) -> Option<Self> {
        let text = text.trim();
        let (year, rest) = text.split_at_checked(text.find('-')?)?;
        if !matches!(year.len(), 4 | 5) || !year.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let bytes = rest.as_bytes();
        let number = |from: usize, to: usize| -> Option<u32> {
            let part = bytes.get(from..to)?;
            if !part.iter().all(u8::is_ascii_digit) {
                return None;
            }
            std::str::from_utf8(part).ok()?.parse().ok()
        };
        let is = |at: usize, wanted: &[u8]| bytes.get(at).is_some_and(|byte| wanted.contains(byte));
        if !(is(3, b"-") && is(6, b"T t") && is(9, b":") && is(12, b":")) {
            return None;
        }
        let mut at = 15;
        let mut ticks = 0u32;
        if is(15, b".") {
            let digits = bytes.get(16..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            for place in 0..7 {
                let digit = if place < digits { u32::from(bytes[16 + place] - b'0') } else { 0 };
                ticks = ticks * 10 + digit;
            }
            at = 16 + digits;
        }
        match bytes.get(at..)? {
            b"" | b"Z" | b"z" | b" UTC" | b"+00:00" => {}
            _ => return None,
        }
        Civil {
            year: year.parse().ok()?,
            month: number(1, 3)?,
            day: number(4, 6)?,
            hour: number(7, 9)?,
            minute: number(10, 12)?,
            second: number(13, 15)?,
            ticks,
        }
        .to_filetime()
    }
}

/// RFC 3339 in UTC with seven digits, `2019-07-19T14:45:55.6992930Z`. Years beyond 9999 keep all digits.
impl fmt::Display for Filetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = self.civil();
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:07}Z",
            c.year, c.month, c.day, c.hour, c.minute, c.second, c.ticks
        )
    }
}

impl serde::Serialize for Filetime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Filetime {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Filetime::parse_utc(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 time in UTC"))
    }
}

/// How the artifact stores the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// 64-bit count of 100 ns ticks since 1601.
    Filetime,
    /// 32-bit seconds since 1970.
    UnixSeconds,
    /// Text such as Sysmon's `UtcTime`.
    Text,
    /// MS-DOS date and time, two-second steps.
    Dos,
    /// Windows' SYSTEMTIME, millisecond steps.
    Systemtime,
}

/// The smallest step that the stored value can express.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 100 nanoseconds.
    Ticks,
    /// One millisecond.
    Millisecond,
    /// One second.
    Second,
    /// Two seconds.
    TwoSeconds,
}

/// Which zone the stored value is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Zone {
    /// Stored as UTC.
    Utc,
    /// Stored as local time of a zone that the record does not name. `ticks` hold the local reading until
    /// `timeline` converts it with the host's rules.
    LocalUnknown,
}

/// One stored moment: converted, and as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timestamp {
    /// The moment in UTC ticks (see [`Zone::LocalUnknown`] for the exception).
    pub ticks: Filetime,
    /// How it is stored.
    pub encoding: Encoding,
    /// The stored number; for text the converted ticks, since the text itself stays in the record's fields.
    pub raw: u64,
    /// Smallest step.
    pub precision: Precision,
    /// Zone of the stored value.
    pub zone: Zone,
}

impl Timestamp {
    /// A FILETIME stored in UTC; `None` for zero, which artifacts use for "never".
    pub fn filetime(raw: u64) -> Option<Self> {
        (raw != 0).then_some(Timestamp {
            ticks: Filetime(raw),
            encoding: Encoding::Filetime,
            raw,
            precision: Precision::Ticks,
            zone: Zone::Utc,
        })
    }

    /// A 32-bit Unix time in UTC.
    pub fn unix32(raw: u32) -> Option<Self> {
        Some(Timestamp {
            ticks: Filetime::from_unix_seconds(i64::from(raw))?,
            encoding: Encoding::UnixSeconds,
            raw: u64::from(raw),
            precision: Precision::Second,
            zone: Zone::Utc,
        })
    }

    /// Text in UTC as [`Filetime::parse_utc`] reads it, with millisecond precision (Sysmon's `UtcTime`).
    pub fn text_millis(text: &str) -> Option<Self> {
        let ticks = Filetime::parse_utc(text)?;
        Some(Timestamp {
            ticks,
            encoding: Encoding::Text,
            raw: ticks.0,
            precision: Precision::Millisecond,
            zone: Zone::Utc,
        })
    }
}

/// When something happened, as far as the record tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum When {
    /// At this moment.
    At(Timestamp),
    /// Somewhere between the two, both included.
    Between(Timestamp, Timestamp),
    /// At this moment or later.
    NotBefore(Timestamp),
    /// At this moment or earlier.
    NotAfter(Timestamp),
    /// The record has no time.
    Undated,
}

impl When {
    /// The moment by which this sorts in a timeline: the earliest it could have been, as far as known.
    pub fn sort_key(self) -> Option<Filetime> {
        match self {
            When::At(t) | When::Between(t, _) | When::NotBefore(t) | When::NotAfter(t) => Some(t.ticks),
            When::Undated => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_filetimes() {
        // 134171071530000000 is the value that the acceptance scenario M1 gives for 2026-03-04 14:12:33 UTC.
        assert_eq!(Filetime(134_171_071_530_000_000).to_string(), "2026-03-04T14:12:33.0000000Z");
        assert_eq!(Filetime(0).to_string(), "1601-01-01T00:00:00.0000000Z");
        assert_eq!(Filetime(u64::MAX).civil().year, 60_056);
    }

    #[test]
    fn text_round_trip() {
        for text in ["2019-07-19T14:45:55.6992930Z", "2000-02-29T23:59:59.9999999Z", "1601-01-01T00:00:00.0000001Z"] {
            assert_eq!(Filetime::parse_utc(text).map(|t| t.to_string()).as_deref(), Some(text));
        }
        // Whoever sets a file's time can set any number, and a bundle that holds it must stay readable.
        let powers = (0..64).flat_map(|power| [(1 << power) - 1, 1 << power, u64::MAX - (1 << power)]);
        for time in powers.chain([u64::MAX, 2_650_467_743_999_999_999, 2_650_467_744_000_000_000]).map(Filetime) {
            assert_eq!(Filetime::parse_utc(&time.to_string()), Some(time), "{time}");
        }
        assert_eq!(Filetime(2_650_467_744_000_000_000).to_string(), "10000-01-01T00:00:00.0000000Z");
        assert_eq!(
            Filetime::parse_utc("2019-07-19 14:45:55.681").map(|t| t.to_string()).as_deref(),
            Some("2019-07-19T14:45:55.6810000Z")
        );
        for text in [
            "",
            "2019-02-30 00:00:00",
            "2019-07-19",
            "2019-07-19 14:45:55 EST",
            "x019-07-19 14:45:55",
            "019-07-19 14:45:55",
            "002019-07-19 14:45:55",
            "60056-05-28T05:36:10.9551616Z",
            "2019-07-19 24:00:00",
        ] {
            assert_eq!(Filetime::parse_utc(text), None, "{text}");
        }
    }

    #[test]
    fn weekdays() {
        let c = Filetime::parse_utc("2026-11-24 00:00:00").unwrap().civil();
        assert_eq!(c.weekday(), 2, "a Tuesday");
    }
}
