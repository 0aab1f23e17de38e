//! Values of options, from text.

use ncpu_engine::Pause;
use ncpu_linux::Limits;
use ncpu_neural_math::Function;
use std::num::NonZeroUsize;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Splits the letters that end `text` from what is before them.
fn split_unit(text: &str) -> (&str, &str) {
    text.split_at(text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len())
}

/// Reads a size with an optional suffix K, M, G or T (powers of 1,024).
pub(super) fn size(text: &str) -> Result<u64, String> {
    let (digits, suffix) = split_unit(text);
    let number: u64 =
        digits.parse().map_err(|_| format!("{text:?} is not a size such as 256M or 2G"))?;
    let shift = match suffix.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        suffix => return Err(format!("unknown suffix {suffix:?}; use K, M, G or T")),
    };
    number.checked_mul(1 << shift).ok_or_else(|| format!("{text:?} is too large"))
}

/// Reads a memory size as a number of 4 KiB pages.
pub(super) fn pages(text: &str) -> Result<u32, String> {
    u32::try_from(size(text)? >> 12)
        .ok()
        .filter(|pages| (256..=1 << 28).contains(pages))
        .ok_or_else(|| "the memory has to be between 1M and 1T".to_owned())
}

/// Reads where to pause: a count of instructions, or `input`.
pub(super) fn pause(text: &str) -> Result<Pause, String> {
    match text {
        "input" => Ok(Pause::Input),
        _ => count(text).map(Pause::At).map_err(|why| format!("{why}, nor the word input")),
    }
}

/// Reads a count with an optional suffix k, m or g (powers of 1,000).
pub(super) fn count(text: &str) -> Result<u64, String> {
    let (digits, suffix) = split_unit(text);
    let digits = digits.replace(['_', ','], "");
    let number: u64 =
        digits.parse().map_err(|_| format!("{text:?} is not a count such as 1000000 or 50m"))?;
    let factor = match suffix.to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        suffix => return Err(format!("unknown suffix {suffix:?}; use k, m or g")),
    };
    number.checked_mul(factor).ok_or_else(|| format!("{text:?} is too large"))
}

/// Reads the name of an elementary function.
pub(super) fn function(name: &str) -> Result<Function, String> {
    Function::ALL
        .into_iter()
        .find(|function| function.name() == name)
        .ok_or_else(|| format!("there are {}", Function::ALL.map(Function::name).join(", ")))
}

/// Reads a number of bytes to keep in memory.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    usize::try_from(size(text)?).map_err(|_| format!("{text:?} is too large"))
}

/// Reads how many machines are to run at a time.
pub(super) fn lanes(text: &str) -> Result<NonZeroUsize, String> {
    let lanes: usize = text.parse().map_err(|_| format!("{text:?} is not a number of lanes"))?;
    NonZeroUsize::new(lanes)
        .ok_or_else(|| "with no lane, no machine can run: give 1 or more".to_owned())
}

/// Reads a range of numbers, its end exclusive.
pub(super) fn range(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("{text:?} is not a range such as 0..1000");
    let (start, end) = text.split_once("..").ok_or_else(wrong)?;
    let (start, end) = (start.parse().map_err(|_| wrong())?, end.parse().map_err(|_| wrong())?);
    if start < end {
        Ok(start..end)
    } else {
        Err(format!("no number is in {text}: its end does not belong to it"))
    }
}

/// Reads a range of operands of 16 bits.
pub(super) fn operands(text: &str) -> Result<RangeInclusive<u16>, String> {
    let Range { start, end } = range(text)?;
    let last = u16::try_from(end - 1).map_err(|_| format!("{text} ends beyond 65536"))?;
    // It is not beyond the end.
    Ok(start as u16..=last)
}

/// Reads a time with a unit: ms, s, m or h; without one, seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let (digits, unit) = split_unit(text);
    let number: f64 =
        digits.parse().map_err(|_| format!("{text:?} is not a time such as 10s or 500ms"))?;
    let unit = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        unit => return Err(format!("unknown unit {unit:?}; use ms, s, m or h")),
    };
    Duration::try_from_secs_f64(number * unit).map_err(|_| format!("{text:?} is out of range"))
}

/// Reads a date as nanoseconds since 1970: RFC 3339, seconds, or `now`.
pub(super) fn date(text: &str) -> Result<u64, String> {
    let range = || format!("{text:?} is out of range: 1970 to 2554");
    if let Ok(seconds) = text.parse::<u64>() {
        return seconds.checked_mul(1_000_000_000).ok_or_else(range);
    }
    let time = match text {
        "now" => SystemTime::now(),
        text => humantime::parse_rfc3339_weak(text).map_err(|_| {
            format!(
                "{text:?} is neither a date as in 2024-01-31T12:00:00Z, nor seconds since 1970, \
                 nor now"
            )
        })?,
    };
    let since = time.duration_since(UNIX_EPOCH).map_err(|_| range())?;
    u64::try_from(since.as_nanos()).map_err(|_| range())
}

/// Reads a number, in hexadecimal with `0x`.
pub(super) fn address(text: &str) -> Result<u64, String> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    }
    .map_err(|_| format!("{text:?} is not an address such as 0x4005d0"))
}

/// Reads a host name (`man 7 hostname`): letters, digits, hyphens and dots, at most 63 bytes.
pub(super) fn host_name(text: &str) -> Result<String, String> {
    let fits = (1..64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        && !text.starts_with(['-', '.']);
    if fits { Ok(text.to_owned()) } else { Err(format!("{text:?} is not a host name")) }
}

/// A host folder and where it is to appear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Volume {
    /// Folder of the host.
    pub(crate) host: PathBuf,
    /// Absolute path inside the machine.
    pub(crate) guest: String,
    /// Whether the guest may only read.
    pub(crate) read_only: bool,
}

impl FromStr for Volume {
    type Err = String;

    fn from_str(text: &str) -> Result<Volume, String> {
        let (paths, read_only) = match text.rsplit_once(':') {
            Some((paths, "ro")) => (paths, true),
            Some((paths, "rw")) => (paths, false),
            _ => (text, false),
        };
        let (host, guest) = paths
            .split_once(':')
            .filter(|(host, guest)| !host.is_empty() && !guest.is_empty())
            .ok_or_else(|| format!("{text:?} is not HOST:GUEST or HOST:GUEST:ro"))?;
        if !guest.starts_with('/') {
            return Err(format!("the path inside the machine has to be absolute, not {guest:?}"));
        }
        if guest.split('/').any(|part| part == "..") || guest.trim_matches('/').is_empty() {
            return Err(format!("{guest:?} cannot be mounted on"));
        }
        Ok(Volume { host: host.into(), guest: guest.to_owned(), read_only })
    }
}

/// The size of one of the machine's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    name: String,
    count: u32,
}

impl Limit {
    /// The field of `limits` that a name stands for.
    fn field<'l>(name: &str, limits: &'l mut Limits) -> Option<&'l mut u32> {
        Some(match name {
            "tasks" => &mut limits.tasks,
            "mappings" => &mut limits.mappings,
            "files" => &mut limits.files,
            "inodes" => &mut limits.inodes,
            "dentries" => &mut limits.dentries,
            "objects" => &mut limits.objects,
            "console" => &mut limits.console,
            _ => return None,
        })
    }

    /// Sets the limit.
    pub(crate) fn apply(&self, limits: &mut Limits) {
        if let Some(field) = Limit::field(&self.name, limits) {
            *field = self.count;
        }
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Limit, String> {
        let (name, number) = text
            .split_once('=')
            .ok_or_else(|| format!("{text:?} is not NAME=COUNT, as in tasks=64"))?;
        let wanted = size(number)?;
        let with = |count| Limit { name: name.to_owned(), count };
        if Limit::field(name, &mut Limits::default()).is_none() {
            return Err(format!(
                "there is no limit {name:?}; there are tasks, mappings, files, inodes, dentries, \
                 objects and console"
            ));
        }
        let fits = |limit: &Limit| {
            let mut limits = Limits::default();
            limit.apply(&mut limits);
            Limits::from_array(limits.to_array()).is_some()
        };
        let limit = u32::try_from(wanted).ok().map(with).filter(fits);
        limit.ok_or_else(|| {
            // The most that each can be is a power of two.
            let powers = (0..u32::BITS).map(|shift| 1 << shift);
            let most = powers.filter(|&count| fits(&with(count))).max().unwrap_or(0);
            let kind = match name {
                "dentries" | "console" => "a power of two",
                _ => "a number",
            };
            format!("a machine cannot have {name}={number}: it has to be {kind} from 1 to {most}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Limit, Volume, address, count, date, duration, host_name, lanes, pages, range, size,
    };
    use ncpu_linux::Limits;
    use std::time::Duration;

    #[test]
    fn sizes_counts_and_times() {
        assert_eq!(size("256M"), Ok(268_435_456));
        assert_eq!(size("4096"), Ok(4096));
        assert!(size("12X").is_err() && size("").is_err() && size("-1").is_err());
        assert!(size("99999999999T").is_err());
        assert_eq!(pages("1G"), Ok(262_144));
        assert_eq!((pages("1M"), pages("1T")), (Ok(256), Ok(1 << 28)));
        assert!(pages("1023K").is_err() && pages("1025G").is_err());
        assert_eq!(count("50m"), Ok(50_000_000));
        assert_eq!(count("1_000"), Ok(1000));
        assert!(count("1q").is_err() && count("m").is_err());
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert!(duration("-1s").is_err() && duration("x").is_err());
        assert_eq!(range("3..10"), Ok(3..10));
        for bad in ["3", "3..3", "4..3", "..3", "3..", "0..=3", "-1..3"] {
            assert!(range(bad).is_err(), "{bad}");
        }
        assert!(lanes("0").is_err() && lanes("-1").is_err() && lanes("64").is_ok());
        assert_eq!(address("0x10"), Ok(16));
        assert!(address("x").is_err());
    }

    /// `date -u -d 2024-01-01T00:00:00Z +%s` prints 1704067200.
    #[test]
    fn dates() {
        assert_eq!(date("2024-01-01T00:00:00Z"), Ok(1_704_067_200_000_000_000));
        assert_eq!(date("1"), Ok(1_000_000_000));
        assert!(date("99999999999999").is_err() && date("yesterday").is_err());
    }

    #[test]
    fn volumes() {
        let volume: Volume = "/tmp/a b:/mnt:ro".parse().unwrap();
        assert_eq!(volume.host.to_str(), Some("/tmp/a b"));
        assert_eq!((volume.guest.as_str(), volume.read_only), ("/mnt", true));
        assert!(!"a:/b".parse::<Volume>().unwrap().read_only);
        for bad in ["/tmp", "a:b", ":/b", "a:", "a:/", "a:/b/../../c"] {
            assert!(bad.parse::<Volume>().is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_and_names() {
        let mut limits = Limits::default();
        "tasks=64".parse::<Limit>().unwrap().apply(&mut limits);
        assert_eq!(limits.tasks, 64);
        for bad in ["tasks", "tasks=0", "dentries=1000", "pages=1", "tasks=9G"] {
            assert!(bad.parse::<Limit>().is_err(), "{bad}");
        }
        for (text, range) in [("tasks=70000", "1 to 65536"), ("console=9G", "1 to 16777216")] {
            let message = text.parse::<Limit>().unwrap_err();
            assert!(message.contains(range), "{message}");
        }
        assert!(host_name("a-b.c").is_ok());
        assert!(host_name("").is_err() && host_name("a b").is_err());
    }
}
