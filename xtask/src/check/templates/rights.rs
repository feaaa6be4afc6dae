//! Finds rights for everything: `*` as an action or a resource of an IAM policy. Each needs a reason, in a comment on the line
//! above.

/// The keys of a statement that hold actions and resources.
const KEYS: [&str; 4] = ["Action", "NotAction", "Resource", "NotResource"];

/// The problems of a template, each with its line number in front.
pub(super) fn problems(text: &str) -> Vec<String> {
    let mut reader = Reader::default();
    text.lines().enumerate().filter_map(|(index, line)| reader.read(index + 1, line)).collect()
}

/// What has been seen of the template so far.
#[derive(Default)]
struct Reader {
    /// The line above is a comment.
    after_comment: bool,
    /// A list of actions or resources is open: its key, the indentation of the key, and whether a comment stands above the key.
    list: Option<(&'static str, usize, bool)>,
    /// The statement denies: a denial of everything takes nothing but rights.
    denies: bool,
}

impl Reader {
    fn read(&mut self, number: usize, line: &str) -> Option<String> {
        let indentation = line.len() - line.trim_start().len();
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') {
            self.after_comment = content.starts_with('#');
            return None;
        }
        if let Some(effect) = value_of(content, "Effect") {
            self.denies = effect.starts_with("Deny");
        }
        let problem = self.wildcard(content, indentation);
        self.after_comment = false;
        problem.map(|key| format!("{number}: {key} is \"*\" and no comment above it says why"))
    }

    /// The key under which this line has a `*` without a reason.
    fn wildcard(&mut self, content: &str, indentation: usize) -> Option<&'static str> {
        if let Some((key, of_key, has_reason)) = self.list
            && (indentation > of_key || (indentation == of_key && content.starts_with("- ")))
        {
            let is_item = content.strip_prefix("- ").is_some_and(is_wildcard);
            return (is_item && !has_reason && !self.is_excused()).then_some(key);
        }
        self.list = None;
        for key in KEYS {
            let Some(value) = value_of(content, key) else { continue };
            if value.is_empty() {
                // The key may be the first of a list item: what belongs to it stands deeper than the dash.
                self.list = Some((key, indentation, self.after_comment));
            } else if values(value).any(is_wildcard) && !self.is_excused() {
                return Some(key);
            }
        }
        None
    }

    fn is_excused(&self) -> bool {
        self.after_comment || self.denies
    }
}

/// What follows a key in this line; the key may stand anywhere in it, as in `{Effect: Allow, Action: "*"}`.
fn value_of<'a>(content: &'a str, key: &str) -> Option<&'a str> {
    content.match_indices(key).find_map(|(start, _)| {
        let before = content[..start].chars().next_back();
        let value = content[start + key.len()..].strip_prefix(':')?;
        (!before.is_some_and(char::is_alphanumeric)).then(|| value.trim())
    })
}

/// The values of an inline list, or the one value.
fn values(value: &str) -> impl Iterator<Item = &str> {
    let list = value.strip_prefix('[').and_then(|rest| rest.split(']').next());
    list.unwrap_or_else(|| value.split([',', '}']).next().unwrap_or_default()).split(',')
}

/// `*`, and as an action also all of a service: `sqs:*`.
fn is_wildcard(value: &str) -> bool {
    let value = value.trim().trim_matches(['"', '\'']);
    value == "*"
        || value
            .strip_suffix(":*")
            .is_some_and(|service| service.chars().all(|c| c.is_alphanumeric() || c == '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(problems(text), expected, "{text}");
    }

    #[test]
    fn everything_without_a_reason_is_found_in_every_spelling() {
        let action = ["1: Action is \"*\" and no comment above it says why"];
        let resource = ["1: Resource is \"*\" and no comment above it says why"];
        for text in ["Action: \"*\"", "Action: '*'", "Action: [s3:Get, '*']", "Action: sqs:*"] {
            check(text, &action);
        }
        check("Resource: \"*\"", &resource);
        check("- {Effect: Allow, Action: s3:GetObject, Resource: \"*\"}", &resource);
        check("Resource:\n  - a\n  - \"*\"", &["3: Resource is \"*\" and no comment above it says why"]);
        check("Resource:\n- \"*\"", &["2: Resource is \"*\" and no comment above it says why"]);
    }

    #[test]
    fn a_reason_stands_on_the_line_above() {
        check("# Knows no resources.\nResource: \"*\"", &[]);
        check("# Knows no resources.\nResource:\n  - \"*\"", &[]);
        check("Resource:\n  - a\n  # Knows no resources.\n  - \"*\"", &[]);
        check(
            "# Too far away.\nEffect: Allow\nResource: \"*\"",
            &["3: Resource is \"*\" and no comment above it says why"],
        );
    }

    #[test]
    fn less_than_everything_is_no_problem() {
        for text in [
            "Action: sqs:SendMessage",
            "Resource: !Sub arn:${AWS::Partition}:lambda:*:*:function:a*",
            "Resource: !GetAtt Queue.Arn",
            "Principal: \"*\"",
            "Resource:\n  - a\nPrincipal: \"*\"",
            "Value: [\"*\"]",
        ] {
            check(text, &[]);
        }
    }

    #[test]
    fn a_denial_of_everything_needs_no_reason() {
        check(
            "- Effect: Deny\n  Action: sqs:*\n  Resource: \"*\"\n- Effect: Allow\n  Action: sqs:*",
            &["5: Action is \"*\" and no comment above it says why"],
        );
    }
}
