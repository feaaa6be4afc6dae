//! The world's Lambda as a port: asynchronous invocations of the shell runner.

use async_trait::async_trait;
use mayfly_core::error::PortError;
use mayfly_core::ids::ResourceId;
use mayfly_core::launch::ClientToken;
use mayfly_core::mapping::TargetType;
use mayfly_core::ports::{Backend, LaunchOrder, LaunchOutcome};
use mayfly_core::runner_name::RunnerName;
use secrecy::ExposeSecret;

use super::agenda::{HOUR, MINUTE, SECOND, moment};
use super::calls::Heard;
use super::compute::{Brief, Compute, Life};
use super::gitlab::registration_of;
use super::sim::{Event, Sim, World};
use super::tally::{Call, Fact, Trouble};

/// Lambda, as production code sees it.
pub(super) struct LambdaPort(pub(super) World);

#[async_trait]
impl Backend for LambdaPort {
    fn target_type(&self) -> TargetType {
        TargetType::Lambda
    }

    async fn room(&self) -> Result<usize, PortError> {
        Ok(usize::MAX)
    }

    async fn find(&self, _: &ClientToken) -> Result<Option<ResourceId>, PortError> {
        Ok(None)
    }

    async fn launch(&self, order: &LaunchOrder) -> LaunchOutcome {
        match self.0.call(Call::LambdaInvoke, |sim| sim.invoke(order)).await {
            Heard::Answer(()) => LaunchOutcome::Started { resource: order.token.to_resource() },
            Heard::Throttled => LaunchOutcome::Busy { reason: "TooManyRequestsException".to_owned() },
            Heard::LostAnswer(()) | Heard::Nothing => {
                LaunchOutcome::Unknown { reason: "no answer came".to_owned() }
            }
        }
    }

    async fn stop(&self, _: &RunnerName, _: &str) -> Result<(), PortError> {
        Ok(())
    }

    async fn live(&self) -> Result<Option<Vec<RunnerName>>, PortError> {
        Ok(None)
    }
}

impl Sim {
    fn invoke(&mut self, order: &LaunchOrder) {
        let now = self.now();
        let Some(registration) = registration_of(order.assignment.token.expose_secret()) else { return };
        let job = self.job_of_step(&order.token);
        self.tally.fact(Fact::FunctionsInvoked);
        if let Some(job) = job {
            self.check_start(job);
        }
        if self.strikes(self.mix.invocations_lost, Trouble::InvocationLost) {
            if let Some(job) = job {
                self.story.tell_job(now, job, || "the invocation is lost".to_owned());
            }
            return;
        }
        let which = self.computes.add(Compute {
            name: order.assignment.runner.clone(),
            life: Life::Booting,
            // Known once it runs.
            hard_end: now + 24 * HOUR,
            known_at: now,
            launch: None,
            brief: Some(Brief {
                registration,
                wait: u64::from(order.assignment.settings.wait_timeout_seconds) * SECOND,
                deadline: moment(order.assignment.deadline),
                job,
            }),
            had_job: false,
        });
        if let Some(job) = job {
            self.story
                .tell_both(now, job, which, || format!("function invoked with registration {registration}"));
        }
        self.check_step(&order.token, which, job);
        let is_late = self.strikes(self.mix.invocations_late, Trouble::InvocationLate);
        let wait = if is_late {
            self.chance.between(MINUTE, 10 * MINUTE)
        } else {
            self.chance.between(SECOND / 2, 8 * SECOND)
        };
        self.after(wait, Event::Boot(which));
        self.draw_fate(which, false);
    }
}
