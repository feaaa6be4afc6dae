//! What a test breaks, holds back or hurries.

use std::mem;
use std::time::Duration;

use super::StandinGitlab;
use super::delivery::Delivery;
use super::model::HookId;

impl StandinGitlab {
    /// While down, every request is answered 503. Webhooks of what a test does are still sent.
    pub fn set_down(&self, is_down: bool) {
        self.shared.change(|state| state.knobs.is_down = is_down);
    }

    /// With `true`, groups can have webhooks, as with a subscription to Premium.
    pub fn set_premium(&self, has_premium: bool) {
        self.shared.change(|state| state.knobs.has_premium = has_premium);
    }

    /// With `true`, it is like a GitLab before 16.11: it can neither test webhooks nor tell what they sent.
    pub fn set_old(&self, is_old: bool) {
        self.shared.change(|state| state.knobs.is_old = is_old);
    }

    /// Disables a hook, for a time or for good, as GitLab does after failures in a row. A test that succeeds enables it.
    pub fn disable_hook(&self, hook: HookId, is_for_good: bool) {
        self.shared.change(|state| {
            if let Some(hook) = state.hooks.get_mut(&hook) {
                hook.alert_status = if is_for_good { "disabled" } else { "temporarily_disabled" };
            }
        });
    }

    /// Takes the job events, the checks of certificates or both from a hook, as a person does in the user interface.
    pub fn change_hook(&self, hook: HookId, job_events: bool, verifies_certificates: bool) {
        self.shared.change(|state| {
            if let Some(hook) = state.hooks.get_mut(&hook) {
                (hook.job_events, hook.verifies_certificates) = (job_events, verifies_certificates);
            }
        });
    }

    /// From now on a machine with this runner token gets 403, as if the token had been revoked.
    pub fn refuse_runner_token(&self, token: &str) {
        self.shared.change(|state| state.knobs.refused_runner_tokens.insert(token.to_owned()));
    }

    /// The next `GET /projects/:id/jobs/:job_id` is answered 500. Calls add up.
    pub fn fail_next_job_lookup(&self) {
        self.shared.change(|state| state.knobs.failing_job_lookups += 1);
    }

    /// The next `POST /user/runners` is answered 500 and makes no runner. Calls add up.
    pub fn fail_next_registration(&self) {
        self.shared.change(|state| state.knobs.failing_registrations += 1);
    }

    /// While held, requests to this path, such as `/api/v4/jobs/request`, wait before they have any effect.
    pub fn hold_requests(&self, path: &str, is_held: bool) {
        self.shared.change(|state| {
            if is_held {
                state.knobs.held_paths.insert(path.to_owned());
            } else {
                state.knobs.held_paths.remove(path);
            }
        });
    }

    /// While held, webhooks wait. Releasing sends those that were not taken, in the order they were made.
    pub fn hold_webhooks(&self, is_held: bool) {
        self.shared.change(|state| {
            state.knobs.holds_webhooks = is_held;
            if !is_held {
                let held = mem::take(&mut state.held);
                state.outgoing.extend(held);
            }
        });
    }

    /// Takes the deliveries held back so far, in the order they were made: they are lost unless they are sent with
    /// [`resend`](Self::resend).
    pub fn take_held_deliveries(&self) -> Vec<Delivery> {
        self.shared.change(|state| {
            let held = mem::take(&mut state.held);
            held.iter().filter_map(|outgoing| state.deliveries.get(&outgoing.id).cloned()).collect()
        })
    }

    /// With `false`, `POST /runners` is answered 410, as on a GitLab of today.
    pub fn set_registration_tokens_allowed(&self, is_allowed: bool) {
        self.shared.change(|state| state.knobs.allows_registration_tokens = is_allowed);
    }

    /// With `true`, the first final update of a job is answered 202 ("accepted, ask again") and the second 200.
    pub fn set_accepts_before_ok(&self, is_set: bool) {
        self.shared.change(|state| state.knobs.accepts_before_ok = is_set);
    }

    /// How long a job request is held that tells the present `last_update`. One second unless set; GitLab's is up to 50 s.
    pub fn set_long_poll(&self, longest: Duration) {
        self.shared.change(|state| state.knobs.long_poll = longest);
    }

    /// How long a runner has to say that it runs the job it took. GitLab's two minutes unless set.
    pub fn set_ack_timeout(&self, timeout: Duration) {
        self.shared.change(|state| state.knobs.ack_timeout = timeout);
    }

    /// What runners are told of how often to send their log, in whole seconds. One second unless set.
    pub fn set_trace_update_interval(&self, seconds: u64) {
        self.shared.change(|state| state.knobs.trace_update_interval = seconds);
    }
}
