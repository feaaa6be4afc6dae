//! One invocation: a pass over everything, counted and answered.

use std::sync::Arc;

use jiff::Timestamp;
use mayfly_app::{Mode, Pass, Reconciler, end_ordered, reconcile_once};
use mayfly_aws::function::{Connection, Measure, Metrics};
use mayfly_aws::sqs::LaunchQueue;
use mayfly_core::clock::Clock;
use mayfly_core::decide::EndOrder;
use mayfly_core::error::{Chain, PortError};
use mayfly_core::ports::Meter;
use mayfly_core::reconcile::{Act, ReconcilePolicy};
use mayfly_wiring::Wiring;
use tracing::{error, info};

use crate::answer::{Answer, Ended, Failed, Said};
use crate::request::Request;
use crate::settings::Settings;

/// The function, wired up.
pub(crate) struct Passes {
    wiring: Wiring,
    queue: Arc<LaunchQueue>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    policy: ReconcilePolicy,
    is_dry_run: bool,
}

impl Passes {
    pub(crate) fn new(settings: &Settings, connection: &Connection, clock: &Arc<dyn Clock>) -> Self {
        let of_dispatcher = &settings.dispatcher;
        let metrics = Arc::new(Metrics::new(&of_dispatcher.stack, Arc::clone(clock)));
        let meter = Arc::clone(&metrics) as Arc<dyn Meter>;
        Self {
            wiring: Wiring::new(of_dispatcher, connection, clock, meter),
            queue: Arc::new(LaunchQueue::new(connection.sqs(), &of_dispatcher.launch_queue)),
            metrics,
            clock: Arc::clone(clock),
            policy: settings.policy,
            is_dry_run: settings.is_dry_run,
        }
    }

    /// Fetches what every pass needs. What fails here fails again, and is said, with the first pass.
    pub(crate) async fn warm(&self) {
        let _ = self.wiring.dispatcher().await;
    }

    /// Does what it is asked for: a pass, or the end of one runner.
    pub(crate) async fn answer(&self, mut request: Request) -> Result<Said, Failed> {
        match request.end.take() {
            None => self.make(request).await.map(Said::Pass),
            Some(_) if request != Request::default() => {
                let alone = "the end of one runner goes alone: `dry_run` and `max_ends` are of passes";
                Err(PortError::never("end of a runner", alone).into())
            }
            Some(order) => self.end(&order).await.map(Said::End),
        }
    }

    async fn end(&self, order: &EndOrder) -> Result<Ended, Failed> {
        let reconciler = self.reconciler(self.policy).await?;
        let ordered = end_ordered(&reconciler, order).await.inspect_err(|failed| {
            error!(error = %Chain(failed), "Could not end runner {} as ordered", order.runner);
        })?;
        Ok(Ended::new(order, ordered))
    }

    async fn reconciler(&self, policy: ReconcilePolicy) -> Result<Reconciler, PortError> {
        let dispatcher = self.wiring.dispatcher().await?;
        Ok(Reconciler { dispatcher, starts: self.queue.clone(), policy })
    }

    /// Makes one pass. A dry run fails only if it could not be made; any other also if something is left to do.
    async fn make(&self, request: Request) -> Result<Answer, Failed> {
        let mode = if request.dry_run.unwrap_or(self.is_dry_run) { Mode::DryRun } else { Mode::Act };
        let begun = self.clock.now();
        let pass = self.pass(request, mode).await.inspect_err(|failed| {
            error!(error = %Chain(failed), "No pass could be made");
        })?;
        self.tell(&pass, begun);
        match Failed::of(&pass) {
            Some(failed) if mode == Mode::Act => Err(failed),
            _ => Ok(Answer::new(&pass, mode)),
        }
    }

    async fn pass(&self, request: Request, mode: Mode) -> Result<Pass, PortError> {
        let mut policy = self.policy;
        if let Some(most) = request.max_ends {
            policy.max_ends = most;
        }
        reconcile_once(&self.reconciler(policy).await?, mode).await
    }

    /// Counts and logs what came of a pass. What became of each repair is said where it is made.
    fn tell(&self, pass: &Pass, begun: Timestamp) {
        let took = self.clock.now().duration_since(begun);
        let is_end = |act: &Act| matches!(act, Act::End { .. });
        let ends_held_back = pass.plan.held_back.iter().filter(|repair| is_end(&repair.act)).count();
        self.metrics.write(vec![
            Measure::count("ReconcilePasses", 1),
            Measure::seconds("PassSeconds", took),
            Measure::count("OpenRecords", pass.open),
            Measure::count("EndsHeldBack", ends_held_back),
        ]);
        for unseen in &pass.unseen {
            error!(error = %Chain(unseen), "Something could not be looked at, and nothing is concluded from it");
        }
        let repairs = pass.plan.repairs.len();
        let milliseconds = took.as_millis();
        info!(open = pass.open, repairs, "Looked at {} open records in {milliseconds} ms", pass.open);
    }
}
