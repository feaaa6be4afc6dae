//! The rules, by the ids that people switch on and programs look for. An id never changes its meaning.

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know.
    Note,
    /// Somebody is in for a surprise.
    Warning,
    /// Jobs are lost.
    Error,
}

impl Severity {
    /// All of them, the mildest first.
    pub const ALL: [Self; 3] = [Self::Note, Self::Warning, Self::Error];

    /// The word in reports; SARIF has the same.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! lint_rules {
    ($($(#[$doc:meta])* $name:ident, $id:literal, $severity:ident, $short:literal, $help:literal;)*) => {
        /// A rule of lint.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum LintRule {
            $(#[doc = $short] $name,)*
        }

        impl LintRule {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its stable id.
            pub fn id(self) -> &'static str {
                match self { $(Self::$name => $id),* }
            }

            /// How bad its findings usually are.
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity),* }
            }

            /// What it finds, in a sentence.
            pub fn short(self) -> &'static str {
                match self { $(Self::$name => $short),* }
            }

            /// Why that matters.
            pub fn help(self) -> &'static str {
                match self { $(Self::$name => $help),* }
            }
        }
    };
}

lint_rules! {
    UnreadableKey, "unreadable-key", Error, "The key of a row cannot be read.",
        "The row is for no job. Jobs that it was meant for go to the next best row or to the default target.";
    UnreadableRow, "unreadable-row", Error, "A row cannot be used.",
        "Its jobs are given up with the reason: to send them elsewhere would be a guess.";
    DuplicateKey, "duplicate-key", Error, "Two rows are read as the same key.",
        "Which of them counts is left to the order in which the table gives them. Keys typed by hand are read leniently.";
    UnreachableRow, "unreachable-row", Warning, "No job can ever get to a row.",
        "Whatever a job's name, project and tags are, another row is taken before it.";
    NotCanonicalKey, "unsorted-key", Warning, "A key is not written as Mayfly writes it.",
        "The row works. Commands that look it up by its key do not find it, and whoever writes the mapping again makes a second row.";
    StraySpace, "stray-space", Warning, "A name, a project or a tag has a space at its beginning or end.",
        "It is compared as it is written, and GitLab's has no such space.";
    AmbiguousTags, "ambiguous-tags", Warning, "Tags do not say which of several rows is meant.",
        "The first in the order of keys is taken, which is hardly what decides in anybody's mind.";
    UntaggedRow, "untagged-row-never-fits", Note, "A row without tags takes no job that has tags.",
        "A row is for the jobs whose tags it has. As soon as GitLab tells a job's tags, a row without any is passed over for it.";
    MissingFunction, "missing-function", Error, "A function does not exist.",
        "Jobs that go to it are given up.";
    FunctionNotChecked, "function-not-checked", Note, "A function could not be asked for.",
        "Whether it exists, and how long it may run, is not known. To ask takes the right lambda:GetFunctionConfiguration.";
    FunctionNotAllowed, "function-not-allowed", Error, "The dispatcher may not invoke a function.",
        "Jobs that go to it are given up: the stack's parameters ShellRunnerFunctions and OtherShellRunnerArns do not name it.";
    FunctionTimesOut, "function-times-out", Warning, "A function ends before its job or its runner.",
        "A job that still runs a little before its function's timeout is stopped and fails. Lambda's limit is 15 minutes.";
    LambdaExecutor, "lambda-executor", Error, "A Lambda runner is to use Docker.",
        "There is no Docker in a Lambda function: every job of the row fails.";
    LocalOnAws, "local-on-aws", Error, "A row of a deployed table has the target LOCAL.",
        "Only `mayfly local` starts processes on its own machine. On AWS the row's jobs are given up.";
    AwsOnLocal, "aws-on-local", Error, "A row of a data folder has a target on AWS.",
        "A `mayfly local` starts processes on its own machine only. The row's jobs are given up.";
    NoMachines, "machines-not-deployed", Error, "A row has the target EC2, and the stack has no EC2 runners.",
        "Without RunnerSubnetIds the stack starts no instances. The row's jobs are given up.";
    LifeTooShort, "life-too-short", Warning, "A runner's maximum life leaves no time for a job.",
        "A job is stopped a little before its runner's life is over, so that GitLab hears of it.";
    WaitTooLong, "waits-longer-than-life", Warning, "A runner waits for a job longer than it may live.",
        "A job that comes late is stopped after a moment.";
    WaitTooShort, "wait-too-short", Warning, "A runner hardly waits for its job.",
        "GitLab may take some seconds to give a runner its job. A runner that leaves before has to be started again.";
    Paused, "paused", Note, "Jobs are kept waiting.",
        "GitLab drops a job that has waited for an hour without a runner that could take it, and any after a day.";
    JobOutlivesRunner, "job-outlives-runner", Warning, "A job may run longer than its runner lives.",
        "A job that still runs a little before the end of its runner's life (max_life_seconds) is stopped and fails.";
    JobWithoutMapping, "job-without-mapping", Warning, "No row is for a job.",
        "It goes to the default target, or waits for a runner that is not Mayfly's.";
    JobOnBrokenRow, "job-on-broken-row", Error, "A job goes to a row that cannot be used.",
        "The job is given up, and fails in GitLab when it has waited long enough.";
    MappingWithoutJob, "mapping-without-job", Note, "No job of the files goes to a row.",
        "The row may be left over, or misspelled; or its jobs are in projects whose files were not given.";
    ImageWithoutDocker, "image-without-docker", Note, "A job asks for an image and gets a runner without Docker.",
        "The executor `shell` runs scripts on the machine itself and passes over `image` and `services`.";
    NotRead, "file-not-read", Note, "A part of a file was not read.",
        "Jobs and settings in it are not known here.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_words_and_differ() {
        let ids: BTreeSet<&str> = LintRule::ALL.iter().map(|rule| rule.id()).collect();
        assert_eq!(ids.len(), LintRule::ALL.len());
        for id in ids {
            assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{id}");
        }
    }

    #[test]
    fn every_rule_says_what_it_finds_and_why_that_matters() {
        for rule in LintRule::ALL {
            assert!(rule.short().ends_with('.') && rule.help().ends_with('.'), "{}", rule.id());
        }
    }
}
