//! Attribute lists (rfc8216bis §4.2) and dates (§4.4.4.6).

use std::fmt;

/// One attribute list.
#[derive(Clone, Default, PartialEq)]
pub struct Attributes(Vec<Attribute>);

#[derive(Debug, Clone, PartialEq)]
struct Attribute {
    name: String,
    value: String,
    quoted: bool,
}

impl fmt::Debug for Attributes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map().entries(self.0.iter().map(|one| (&one.name, &one.value))).finish()
    }
}

impl Attributes {
    /// Reads a list.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut attributes: Vec<Attribute> = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (name, after) = rest.split_once('=').ok_or(format!("no '=' in {rest:?}"))?;
            let is_name = |byte: u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'-');
            if name.is_empty() || !name.bytes().all(is_name) {
                return Err(format!("{name:?} is no attribute name"));
            }
            if attributes.iter().any(|attribute| attribute.name == name) {
                return Err(format!("{name} stands twice"));
            }
            let (value, quoted, after) = if let Some(opened) = after.strip_prefix('"') {
                let (value, after) =
                    opened.split_once('"').ok_or(format!("{name} never closes"))?;
                (value, true, after)
            } else {
                let end = after.find(',').unwrap_or(after.len());
                let (value, after) = after.split_at(end);
                if value.is_empty() || value.contains([' ', '\t', '"']) {
                    return Err(format!("{value:?} is no value of {name}"));
                }
                (value, false, after)
            };
            attributes.push(Attribute { name: name.into(), value: value.into(), quoted });
            rest = match after.strip_prefix(',') {
                Some("") => return Err("a comma at the end".into()),
                Some(next) => next,
                None if after.is_empty() => after,
                None => return Err(format!("no comma before {after:?}")),
            };
        }
        Ok(Self(attributes))
    }

    /// The value of a quoted string.
    pub fn quoted(&self, name: &str) -> Option<&str> {
        self.find(name).filter(|found| found.quoted).map(|found| found.value.as_str())
    }

    /// The value of an unquoted attribute.
    pub fn bare(&self, name: &str) -> Option<&str> {
        self.find(name).filter(|found| !found.quoted).map(|found| found.value.as_str())
    }

    /// A decimal integer.
    pub fn integer(&self, name: &str) -> Option<u64> {
        let text = self.bare(name)?;
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
    }

    /// A decimal floating-point number that is not negative.
    pub fn decimal(&self, name: &str) -> Option<f64> {
        decimal(self.bare(name)?)
    }

    /// Whether the value is the enumerated string YES.
    pub fn is_yes(&self, name: &str) -> bool {
        self.bare(name) == Some("YES")
    }

    /// Whether the attribute is there.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|attribute| attribute.name.as_str())
    }

    /// The same list, whatever its order.
    pub fn sorted(&self) -> Vec<(String, String)> {
        let pairs = self.0.iter().map(|one| (one.name.clone(), one.value.clone()));
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort();
        pairs
    }

    fn find(&self, name: &str) -> Option<&Attribute> {
        self.0.iter().find(|attribute| attribute.name == name)
    }
}

/// A decimal floating-point number (§4.2).
pub fn decimal(text: &str) -> Option<f64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    plain.then(|| text.parse().ok())?
}

/// Half of the last decimal of a number: how far rounding may have moved it.
pub fn rounding_s(text: &str) -> f64 {
    let decimals = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    0.5 * 10_f64.powi(-(decimals.min(12) as i32))
}

/// A date of a playlist.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Date {
    /// Since 1970, in seconds.
    pub at_s: f64,
    /// Whether it says its zone and at least milliseconds.
    pub is_exact: bool,
}

impl Date {
    /// Reads `YYYY-MM-DDThh:mm:ss[.SSS][Z|±hh:mm]`.
    pub fn parse(text: &str) -> Option<Self> {
        let (day, time) = text.split_once('T')?;
        let mut numbers = day.splitn(3, '-').map(|part| part.parse::<i64>().ok());
        let (year, month, day) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
        let (clock, zone) = time.split_at(zone_at);
        let mut parts = clock.splitn(3, ':');
        let (hours, minutes) = (parts.next()?.parse::<i64>().ok()?, parts.next()?.parse::<i64>());
        let seconds_text = parts.next()?;
        let seconds = decimal(seconds_text)?;
        let offset_minutes = match zone {
            "" | "Z" => 0,
            signed => {
                let digits: String = signed.chars().filter(char::is_ascii_digit).collect();
                let number: i64 = digits.parse().ok()?;
                let minutes = number / 100 * 60 + number % 100;
                if signed.starts_with('-') { -minutes } else { minutes }
            }
        };
        let minutes_of_day = hours * 60 + minutes.ok()? - offset_minutes;
        let whole_s = days_since_1970(year, month, day) * 86_400 + minutes_of_day * 60;
        let decimals = seconds_text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let is_exact = decimals >= 3 && !zone.is_empty();
        Some(Self { at_s: whole_s as f64 + seconds, is_exact })
    }
}

/// Howard Hinnant's `days_from_civil`.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}
