//! What is counted in a world.

use std::collections::BTreeMap;

use mayfly_core::reconcile::Reason;

use super::agenda::Moment;

macro_rules! counted {
    ($(#[$doc:meta])* $name:ident { $($variant:ident => $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each has its words beside it")]
        pub enum $name { $($variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// In words.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

counted!(
    /// A call of production code to the world.
    Call {
        LedgerGet => "ledger: get",
        LedgerPut => "ledger: put",
        LedgerByRunner => "ledger: by runner",
        LedgerFreeze => "ledger: freeze",
        LedgerOpen => "ledger: open",
        LedgerGetMany => "ledger: get many",
        LedgerForget => "ledger: forget",
        LedgerMend => "ledger: mend",
        LedgerMemory => "ledger: memory",
        LedgerRemember => "ledger: remember",
        GitlabJob => "GitLab: job",
        GitlabCreateRunner => "GitLab: create runner",
        GitlabDeleteRunner => "GitLab: delete runner",
        GitlabLiveJobs => "GitLab: live jobs",
        GitlabJobsOnRunner => "GitLab: jobs on runner",
        GitlabOurRunners => "GitLab: our runners",
        GitlabInstallationOf => "GitLab: get runner",
        GitlabPauseRunner => "GitLab: pause runner",
        GitlabCancelJob => "GitLab: cancel job",
        GitlabRetryJob => "GitLab: retry job",
        Ec2CreateFleet => "EC2: create fleet",
        Ec2IsThere => "EC2: is there",
        Ec2Terminate => "EC2: terminate",
        Ec2List => "EC2: list",
        AssignmentPut => "assignments: hand over",
        AssignmentWithdraw => "assignments: withdraw",
        LambdaInvoke => "Lambda: invoke",
        QueueSend => "launch queue: send",
    }
);

impl Call {
    /// How long it takes at least and at most, in milliseconds.
    pub(super) fn takes(self) -> (Moment, Moment) {
        match self {
            Self::LedgerGet
            | Self::LedgerPut
            | Self::LedgerByRunner
            | Self::LedgerFreeze
            | Self::LedgerOpen
            | Self::LedgerGetMany
            | Self::LedgerForget
            | Self::LedgerMend
            | Self::LedgerMemory
            | Self::LedgerRemember
            | Self::AssignmentPut
            | Self::AssignmentWithdraw => (4, 20),
            Self::GitlabJob
            | Self::GitlabCreateRunner
            | Self::GitlabDeleteRunner
            | Self::GitlabLiveJobs
            | Self::GitlabJobsOnRunner
            | Self::GitlabOurRunners
            | Self::GitlabInstallationOf
            | Self::GitlabPauseRunner
            | Self::GitlabCancelJob
            | Self::GitlabRetryJob => (60, 500),
            Self::Ec2CreateFleet => (1500, 5000),
            Self::Ec2IsThere | Self::Ec2Terminate | Self::Ec2List => (80, 400),
            Self::LambdaInvoke => (30, 120),
            Self::QueueSend => (6, 30),
        }
    }
}

counted!(
    /// Something that goes wrong.
    Trouble {
        WebhookLost => "webhooks lost",
        WebhookRepeated => "webhooks repeated",
        WebhookLate => "webhooks late",
        HookDisabled => "webhooks not sent: hook disabled",
        RequestLost => "requests lost",
        AnswerLost => "answers lost",
        CallThrottled => "calls throttled",
        CallSlow => "calls slow",
        GitlabDown => "calls to a GitLab that was down",
        NoCapacity => "machines there was no capacity for",
        Crash => "crashes between effects",
        Timeout => "tasks killed by their timeout",
        MachineDied => "machines that died",
        MachineNeverUp => "machines whose agent never started",
        MachineHung => "machines that hung",
        NewsLost => "news of machines lost",
        NewsRepeated => "news of machines repeated",
        NewsLate => "news of machines late",
        InvocationLost => "invocations lost",
        InvocationLate => "invocations late",
        MessageRepeated => "messages repeated",
        IndexLag => "index lags",
        RegistrationLeft => "registrations left behind",
        Theft => "jobs taken by others",
        CanceledWaiting => "jobs canceled while they waited",
        CanceledRunning => "jobs canceled while they ran",
        DeadLetter => "dead letters",
        Stuck => "jobs that GitLab ended because their runner was silent",
    }
);

counted!(
    /// Something that happens and is no fault.
    Fact {
        JobsWaited => "jobs that waited",
        JobsRun => "jobs run by our runners",
        JobsRetriedByUs => "jobs retried by the reconciler",
        JobsRetriedByUsers => "jobs retried by somebody",
        JobsParked => "jobs given up",
        MachinesAsked => "machines asked for",
        MachinesStarted => "machines started",
        FunctionsInvoked => "functions invoked",
        MachinesIdle => "machines that were told nothing",
        RunnersIdle => "runners that took no job",
        StoppedByUs => "machines ended by a call of ours",
        NotBegun => "jobs canceled before their script began",
        Robbed => "runners that took another job",
        Relaunched => "relaunches",
        Passes => "passes of the reconciler",
        PassesFailed => "passes that failed in part",
        HeldBack => "repairs held back",
        PassesDied => "passes that died",
    }
);

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    calls: [u64; Call::ALL.len()],
    troubles: [u64; Trouble::ALL.len()],
    facts: [u64; Fact::ALL.len()],
    /// Repairs by what was done and why, and how many of them failed.
    pub repairs: BTreeMap<(&'static str, Reason), (u64, u64)>,
    /// How long the job that waited longest for a runner of ours waited, in milliseconds.
    pub longest_wait: Moment,
    /// How long all jobs that our runners ran waited together, in milliseconds.
    pub all_waits: Moment,
    /// How much time passed, in milliseconds.
    pub simulated: Moment,
}

impl Tally {
    pub(super) fn call(&mut self, call: Call) {
        self.calls[call as usize] += 1;
    }

    pub(super) fn trouble(&mut self, trouble: Trouble) {
        self.troubles[trouble as usize] += 1;
    }

    pub(super) fn fact(&mut self, fact: Fact) {
        self.add(fact, 1);
    }

    pub(super) fn add(&mut self, fact: Fact, count: u64) {
        self.facts[fact as usize] += count;
    }

    /// How often this call was made.
    pub fn calls(&self, call: Call) -> u64 {
        self.calls[call as usize]
    }

    /// How often this went wrong.
    pub fn troubles(&self, trouble: Trouble) -> u64 {
        self.troubles[trouble as usize]
    }

    /// How often this happened.
    pub fn facts(&self, fact: Fact) -> u64 {
        self.facts[fact as usize]
    }

    /// How many runners were started, with or without use.
    pub fn starts(&self) -> u64 {
        self.facts(Fact::MachinesStarted) + self.facts(Fact::FunctionsInvoked)
    }

    /// Both together.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        let add = |to: &mut [u64], from: &[u64]| to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        add(&mut self.calls, &other.calls);
        add(&mut self.troubles, &other.troubles);
        add(&mut self.facts, &other.facts);
        for (repair, (count, failed)) in &other.repairs {
            let sum = self.repairs.entry(*repair).or_default();
            *sum = (sum.0 + count, sum.1 + failed);
        }
        self.longest_wait = self.longest_wait.max(other.longest_wait);
        self.all_waits += other.all_waits;
        self.simulated += other.simulated;
        self
    }
}
