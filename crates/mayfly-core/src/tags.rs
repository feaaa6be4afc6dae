//! Tags of jobs and runners.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::InvalidId;
use crate::key_codec::{escape, unescape};

/// A set of tags, sorted and without duplicates. A runner may take a job whose tags it covers.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TagSet(BTreeSet<String>);

impl TagSet {
    /// The tags in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if the tag is one of them.
    pub fn contains(&self, tag: &str) -> bool {
        self.0.contains(tag)
    }

    /// True if a runner with these tags may take a job with `job` tags.
    pub fn covers(&self, job: &Self) -> bool {
        job.0.is_subset(&self.0)
    }

    /// The sort key of a mapping: `tags#<tag>#<tag>…`, `tags#` for none.
    pub fn sort_key(&self) -> String {
        let tags: Vec<String> = self.iter().map(escape).collect();
        format!("tags#{}", tags.join("#"))
    }

    /// Reads a sort key, also one typed by hand: in any order, with duplicates or empty parts.
    pub fn from_sort_key(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId::new(text, "a sort key (`tags#<tag>#<tag>…`)");
        let tags = text.strip_prefix("tags#").ok_or_else(invalid)?;
        tags.split('#')
            .filter(|part| !part.is_empty())
            .map(|part| unescape(part).ok_or_else(invalid))
            .collect()
    }
}

impl<S: Into<String>> FromIterator<S> for TagSet {
    fn from_iter<I: IntoIterator<Item = S>>(tags: I) -> Self {
        Self(tags.into_iter().map(Into::into).filter(|tag| !tag.is_empty()).collect())
    }
}

impl fmt::Display for TagSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return formatter.write_str("no tags");
        }
        let tags: Vec<&str> = self.iter().collect();
        formatter.write_str(&tags.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_sort_key_is_sorted_and_escaped() {
        for (tags, key) in [
            (&[][..], "tags#"),
            (&["linux", "docker", "linux"], "tags#docker#linux"),
            (&["c#", "100%"], "tags#100%25#c%23"),
        ] {
            assert_eq!(tags.iter().copied().collect::<TagSet>().sort_key(), key);
        }
    }

    #[test]
    fn a_sort_key_typed_by_hand_is_read() {
        let tags = TagSet::from_sort_key("tags#linux##docker#linux#").unwrap();
        assert_eq!(tags.sort_key(), "tags#docker#linux");
        assert!(TagSet::from_sort_key("tag#linux").is_err());
    }

    proptest! {
        #[test]
        fn any_tags_are_read_back(tags in proptest::collection::vec(".{0,20}", 0..5)) {
            let tags: TagSet = tags.into_iter().collect();
            prop_assert_eq!(TagSet::from_sort_key(&tags.sort_key()).unwrap(), tags);
        }
    }
}
