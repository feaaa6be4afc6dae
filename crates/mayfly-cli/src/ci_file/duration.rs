//! GitLab's words for a length of time, such as `1h 30m` (docs, CI/CD YAML, `timeout`).

/// A length of time in seconds, as the library `ChronicDuration` reads it for GitLab: numbers with units, `1:30:00`, and a bare
/// number is seconds. `None` for anything else.
pub(super) fn parse(text: &str) -> Option<u64> {
    let text = text.trim().to_lowercase();
    if text.contains(':') {
        return clock(&text);
    }
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let mut rest = text.as_str();
    let mut seconds = 0.0;
    let mut parts = 0;
    loop {
        rest = rest.trim_start_matches(|character: char| character.is_whitespace() || character == ',');
        rest =
            ["and ", "plus ", "with "].into_iter().find_map(|word| rest.strip_prefix(word)).unwrap_or(rest);
        rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        let end = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = rest[end..].trim_start();
        let end = rest.find(|character: char| !character.is_alphabetic()).unwrap_or(rest.len());
        seconds += number * f64::from(unit(&rest[..end])?);
        rest = &rest[end..];
        parts += 1;
    }
    (parts > 0).then_some(seconds).and_then(whole)
}

fn unit(word: &str) -> Option<u32> {
    Some(match word {
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600,
        "d" | "dy" | "day" | "days" => 86_400,
        "w" | "wk" | "wks" | "week" | "weeks" => 604_800,
        "mo" | "mos" | "mon" | "mons" | "month" | "months" => 2_592_000,
        "y" | "yr" | "yrs" | "year" | "years" => 31_557_600,
        _ => return None,
    })
}

/// `h:mm:ss` or `mm:ss`.
fn clock(text: &str) -> Option<u64> {
    let parts: Vec<u64> = text.split(':').map(|part| part.trim().parse().ok()).collect::<Option<_>>()?;
    if parts.len() > 3 {
        return None;
    }
    parts.into_iter().try_fold(0_u64, |seconds, part| seconds.checked_mul(60)?.checked_add(part))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is neither too large nor negative"
)]
fn whole(seconds: f64) -> Option<u64> {
    (0.0..1e15).contains(&seconds).then(|| seconds.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_in_gitlabs_words_are_read() {
        for (text, seconds) in [
            ("3600", Some(3600)),
            ("3600 seconds", Some(3600)),
            ("60 minutes", Some(3600)),
            ("one hour", None),
            ("3 hours 30 minutes", Some(12_600)),
            ("1h 30m", Some(5400)),
            ("1h30m", Some(5400)),
            ("1 hour and 30 minutes", Some(5400)),
            ("1h, 5 min", Some(3900)),
            ("1.5 hours", Some(5400)),
            ("2 days", Some(172_800)),
            ("1 week", Some(604_800)),
            ("1:30:00", Some(5400)),
            ("90:00", Some(5400)),
            ("2 mos 1d", Some(5_270_400)),
            ("", None),
            ("soon", None),
            ("5", Some(5)),
            ("5 parsecs", None),
            ("$TIMEOUT", None),
            ("1:2:3:4", None),
            ("h", None),
            ("1h 5", None),
            ("99999999999999999999 y", None),
        ] {
            assert_eq!(parse(text), seconds, "{text}");
        }
    }
}
