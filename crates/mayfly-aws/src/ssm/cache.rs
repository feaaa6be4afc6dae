//! What is known of parameters, and until when. Pure: it calls nothing and is told the time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mayfly_core::error::PortError;
use secrecy::SecretString;

use super::names::ParameterName;

/// How long a parameter that is not there is believed to be not there: somebody may be about to make it.
const ABSENT_FOR: Duration = Duration::from_mins(1);
/// How long nobody is asked again after a failure. Those who waited for the call that failed hear of the same failure.
const FAILED_FOR: Duration = Duration::from_secs(2);

/// What came of reading one parameter; `None` if there is no such parameter.
pub(super) type Outcome = Result<Option<SecretString>, Arc<PortError>>;

pub(super) struct Cache {
    keep_for: Duration,
    entries: BTreeMap<ParameterName, Entry>,
}

#[derive(Default)]
struct Entry {
    found: Option<Found>,
    failed: Option<(Timestamp, Arc<PortError>)>,
}

struct Found {
    read_at: Timestamp,
    value: Option<SecretString>,
}

impl Cache {
    pub(super) fn new(keep_for: Duration) -> Self {
        Self { keep_for, entries: BTreeMap::new() }
    }

    /// Which of these must be read before they can be answered, each once.
    pub(super) fn due(&self, names: &[ParameterName], now: Timestamp) -> Vec<ParameterName> {
        let names: BTreeSet<&ParameterName> = names.iter().collect();
        names.into_iter().filter(|name| self.is_due(name, now)).cloned().collect()
    }

    /// Up to `room` others that are worth reading in the same call. Only such as could be read before: a name that is
    /// denied fails a whole call.
    pub(super) fn companions(
        &self,
        due: &[ParameterName],
        room: usize,
        now: Timestamp,
    ) -> Vec<ParameterName> {
        let known = self.entries.iter().filter(|(_, entry)| entry.found.is_some()).map(|(name, _)| name);
        known.filter(|name| !due.contains(name) && self.is_due(name, now)).take(room).cloned().collect()
    }

    /// All that was ever asked for.
    pub(super) fn names(&self) -> Vec<ParameterName> {
        self.entries.keys().cloned().collect()
    }

    /// Takes down what came of a call. True if an earlier value is used on, because the call failed.
    pub(super) fn write(&mut self, name: ParameterName, at: Timestamp, outcome: Outcome) -> bool {
        let entry = self.entries.entry(name).or_default();
        match outcome {
            Ok(value) => *entry = Entry { found: Some(Found { read_at: at, value }), failed: None },
            Err(error) => entry.failed = Some((at, error)),
        }
        entry.failed.is_some() && entry.found.is_some()
    }

    /// What is known, however old it is. `None` if nobody ever asked.
    pub(super) fn known(&self, name: &ParameterName) -> Option<Outcome> {
        let entry = self.entries.get(name)?;
        match (&entry.found, &entry.failed) {
            (Some(found), _) => Some(Ok(found.value.clone())),
            (None, Some((_, error))) => Some(Err(Arc::clone(error))),
            (None, None) => None,
        }
    }

    /// Why this could not be read the last time somebody tried.
    pub(super) fn failure(&self, name: &ParameterName) -> Option<Arc<PortError>> {
        self.entries.get(name)?.failed.as_ref().map(|(_, error)| Arc::clone(error))
    }

    fn is_due(&self, name: &ParameterName, now: Timestamp) -> bool {
        let Some(entry) = self.entries.get(name) else { return true };
        if has_just_failed(entry, now) {
            return false;
        }
        entry.found.as_ref().is_none_or(|found| {
            let keep_for = if found.value.is_some() { self.keep_for } else { self.keep_for.min(ABSENT_FOR) };
            !is_younger(found.read_at, keep_for, now)
        })
    }
}

fn has_just_failed(entry: &Entry, now: Timestamp) -> bool {
    entry.failed.as_ref().is_some_and(|(at, _)| is_younger(*at, FAILED_FOR, now))
}

fn is_younger(at: Timestamp, age: Duration, now: Timestamp) -> bool {
    // A clock that was set back makes the age negative: that is not young either.
    Duration::try_from(now.duration_since(at)).is_ok_and(|passed| passed < age)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use secrecy::ExposeSecret;

    use super::*;

    const START: Timestamp = Timestamp::UNIX_EPOCH;
    const KEEP_FOR: Duration = Duration::from_mins(5);

    fn after(seconds: i64) -> Timestamp {
        START + SignedDuration::from_secs(seconds)
    }

    fn names(names: &str) -> Vec<ParameterName> {
        names.split_whitespace().map(|name| name.parse().unwrap()).collect()
    }

    fn shown(names: &[ParameterName]) -> String {
        names.iter().map(ParameterName::as_str).collect::<Vec<_>>().join(" ")
    }

    fn failure() -> Outcome {
        Err(Arc::new(PortError::later("get parameters", "no answer")))
    }

    /// `Value` is read at the start, `Absent` is not there, `Failed` could not be read.
    fn cache() -> Cache {
        let mut cache = Cache::new(KEEP_FOR);
        for (name, outcome) in
            [("Value", Ok(Some("secret".into()))), ("Absent", Ok(None)), ("Failed", failure())]
        {
            assert!(!cache.write(name.parse().unwrap(), START, outcome));
        }
        cache
    }

    #[test]
    fn each_kind_of_outcome_has_its_time() {
        for (seconds, due) in [
            (0, "New"),
            (1, "New"),
            (2, "Failed New"),
            (59, "Failed New"),
            (60, "Absent Failed New"),
            (299, "Absent Failed New"),
            (300, "Absent Failed New Value"),
            (-1, "Absent Failed New Value"),
        ] {
            let asked = names("Value Absent New Failed New");
            assert_eq!(shown(&cache().due(&asked, after(seconds))), due, "after {seconds} s");
        }
    }

    #[test]
    fn all_names_are_told() {
        assert_eq!(shown(&cache().names()), "Absent Failed Value");
    }

    #[test]
    fn a_failure_keeps_the_earlier_value_and_puts_off_the_next_call() {
        let mut cache = cache();
        let name: ParameterName = "Value".parse().unwrap();
        assert!(cache.write(name.clone(), after(300), failure()));
        let known = cache.known(&name).unwrap().unwrap().unwrap();
        assert_eq!(known.expose_secret(), "secret");
        assert!(cache.failure(&name).is_some());
        assert_eq!(shown(&cache.due(&names("Value"), after(301))), "");
        assert_eq!(shown(&cache.due(&names("Value"), after(302))), "Value");
        assert!(!cache.write(name.clone(), after(302), Ok(None)));
        assert!(cache.known(&name).unwrap().unwrap().is_none());
        assert!(cache.failure(&name).is_none());
    }

    #[test]
    fn companions_are_known_to_be_readable_and_due() {
        let cache = cache();
        assert_eq!(shown(&cache.companions(&names("New"), 9, after(59))), "");
        assert_eq!(shown(&cache.companions(&names("New"), 9, after(300))), "Absent Value");
        assert_eq!(shown(&cache.companions(&names("New"), 1, after(300))), "Absent");
        assert_eq!(shown(&cache.companions(&names("Absent"), 9, after(300))), "Value");
    }
}
