//! What runners need of AWS: functions, images, instance types, quotas, and queues that do not fill.

use std::collections::{BTreeMap, BTreeSet};

use super::judged;
use crate::doctor::asked::Asked;
use crate::doctor::facts::{AwsFacts, ImageFacts, LambdaFacts, ON_DEMAND_QUOTA, QueueFacts, SPOT_QUOTA};
use crate::doctor::report::Line;

/// Fewer runners than this at once are few for pipelines with parallel jobs.
const FEW_RUNNERS: u64 = 4;

/// Fewer invocations at once than this are few for Mayfly's own functions and its runners.
const FEW_INVOCATIONS: u32 = 100;

/// A quota of processors.
struct Quota<'a> {
    check: &'static str,
    code: &'static str,
    value: &'a Asked<f64>,
    types: &'a BTreeSet<String>,
}

pub(super) fn judge(facts: &AwsFacts) -> Vec<Line> {
    let mut lines = functions(&facts.functions);
    lines.extend(judged("images", &facts.images, |images| images.iter().map(image).collect()));
    lines.extend(judged("instance types", &facts.instance_types, |types| vec![instance_types(types)]));
    if !facts.demands.functions.is_empty() {
        lines.extend(judged("Lambda concurrency", &facts.lambda_concurrency, |limits| vec![lambda(limits)]));
    }
    let quotas = [
        Quota {
            check: "on-demand quota",
            code: ON_DEMAND_QUOTA,
            value: &facts.on_demand_quota,
            types: &facts.demands.on_demand_types,
        },
        Quota {
            check: "spot quota",
            code: SPOT_QUOTA,
            value: &facts.spot_quota,
            types: &facts.demands.spot_types,
        },
    ];
    let processors = facts.instance_types.known().cloned().unwrap_or_default();
    lines.extend(quotas.iter().flat_map(|quota| quota_lines(quota, &processors)));
    lines.extend(facts.queues.iter().flat_map(queue));
    lines
}

fn functions(functions: &BTreeMap<String, Asked<bool>>) -> Vec<Line> {
    let line = |(arn, asked): (&String, &Asked<bool>)| {
        let check = format!("function {}", arn.rsplit(':').next().unwrap_or(arn));
        judged(&check, asked, |is_there| {
            vec![match is_there {
                true => Line::ok(&check, "there"),
                false => Line::failure(
                    &check,
                    format!("there is no function {arn}, which the DefaultTarget or a mapping names"),
                    "deploy shell-runner/ with this FunctionName, or name another function",
                ),
            }]
        })
    };
    functions.iter().flat_map(line).collect()
}

fn image(image: &ImageFacts) -> Line {
    let check = format!("image {}", image.name);
    let next = "make one with helper-scripts/ami-preparation, and put its id there";
    match (&image.id, image.state.as_deref()) {
        (None, _) => Line::failure(check, "there is no such parameter", next),
        (Some(id), None) => {
            Line::failure(check, format!("there is no image {id} that this account may use"), next)
        }
        (Some(id), Some("available")) => Line::ok(check, format!("{id} is available")),
        (Some(id), Some("pending")) => Line::failure(
            check,
            format!("{id} is pending"),
            "wait until it is available: no instance starts from it",
        ),
        (Some(id), Some(state)) => Line::failure(check, format!("{id} is {state}"), next),
    }
}

fn instance_types(types: &BTreeMap<String, Option<u32>>) -> Line {
    let check = "instance types";
    let missing: Vec<&str> =
        types.iter().filter(|(_, processors)| processors.is_none()).map(|(name, _)| name.as_str()).collect();
    let next = "take these out of the mapping, or of RunnerInstanceTypesArm64 and RunnerInstanceTypesX86";
    if missing.is_empty() {
        Line::ok(check, format!("all {} are offered", types.len()))
    } else if missing.len() == types.len() {
        Line::failure(check, format!("none is offered in this region: {}", missing.join(", ")), next)
    } else {
        Line::warning(check, format!("not offered in this region: {}", missing.join(", ")), next)
    }
}

fn lambda(limits: &LambdaFacts) -> Line {
    let check = "Lambda concurrency";
    let result = format!("{} invocations at once, {} of them not reserved", limits.all, limits.unreserved);
    let next = "ask for more (Service Quotas, AWS Lambda, L-B99A9384), and set MaximumRunners, WebhookConcurrency and \
                DispatcherConcurrency: runners share it with Mayfly's own functions, and a webhook that finds no room is lost";
    match limits.unreserved {
        0 => Line::failure(check, result, next),
        unreserved if unreserved <= FEW_INVOCATIONS => Line::warning(check, result, next),
        _ => Line::ok(check, result),
    }
}

/// Those of the families A, C, D, H, I, M, R, T and Z (AWS docs, EC2 quotas). All others, such as accelerated ones, have quotas of
/// their own.
fn is_usual(instance_type: &str) -> bool {
    let family = instance_type.split(|letter: char| !letter.is_ascii_lowercase()).next().unwrap_or_default();
    matches!(family, "a" | "c" | "d" | "h" | "i" | "im" | "is" | "m" | "r" | "t" | "z")
}

fn quota_lines(quota: &Quota<'_>, processors: &BTreeMap<String, Option<u32>>) -> Vec<Line> {
    let sized = quota.types.iter().filter(|name| is_usual(name));
    let largest = sized.filter_map(|name| Some((processors.get(name).copied().flatten()?, name))).max();
    let Some((needed, name)) = largest.filter(|(needed, _)| *needed > 0) else {
        let is_unknown = processors.is_empty() && quota.types.iter().any(|name| is_usual(name));
        return if is_unknown { unmeasured(quota) } else { Vec::new() };
    };
    judged(quota.check, quota.value, |value| {
        let runners = runners(*value, needed);
        let result = format!("{value} processors: {runners} times {name}, which has {needed}");
        let next = format!("ask for more: Service Quotas, Amazon EC2, {}", quota.code);
        vec![match runners {
            0 => Line::failure(quota.check, format!("{result}: not one can start"), next),
            few if few < FEW_RUNNERS => Line::warning(quota.check, result, next),
            _ => Line::ok(quota.check, result),
        }]
    })
}

/// The lines of a quota if nobody knows how many processors a runner has.
fn unmeasured(quota: &Quota<'_>) -> Vec<Line> {
    judged(quota.check, quota.value, |value| {
        let next = format!("ask for more: Service Quotas, Amazon EC2, {}", quota.code);
        vec![if *value < 1.0 {
            Line::failure(quota.check, "no processor: not one instance can start", next)
        } else {
            Line::ok(quota.check, format!("{value} processors; what a runner needs is not known"))
        }]
    })
}

/// How many machines of so many processors a quota allows.
fn runners(quota: f64, processors: u32) -> u64 {
    let mut runners: u32 = 0;
    // Quotas are whole numbers of a few thousand at most; nobody needs to know beyond.
    while runners < 10_000 && f64::from(processors) * f64::from(runners + 1) <= quota {
        runners += 1;
    }
    u64::from(runners)
}

fn queue(queue: &QueueFacts) -> Vec<Line> {
    let check = format!("queue {}", queue.name);
    judged(&check, &queue.messages, |messages| {
        vec![match (*messages, queue.is_dead_letters) {
            (0, _) => Line::ok(&check, "empty"),
            (count, true) => Line::warning(
                &check,
                format!("{count} messages that could not be handled"),
                "read docs/RUNBOOK.md on dead letters: each is an event or a runner that was lost",
            ),
            (count, false) => Line::warning(
                &check,
                format!("{count} launches wait"),
                "look at capacity and quotas if they wait for long; the alarm jobs-wait tells after twenty minutes",
            ),
        }]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Level;

    #[test]
    fn a_quota_is_measured_with_the_largest_type_it_is_for() {
        let types: BTreeSet<String> = ["m7g.large", "c8g.4xlarge", "g5.48xlarge"].map(str::to_owned).into();
        let processors = [("m7g.large", 2), ("c8g.4xlarge", 16), ("g5.48xlarge", 192)]
            .map(|(name, count)| (name.to_owned(), Some(count)))
            .into();
        for (value, level, said) in [
            (0.0, Level::Failure, "not one can start"),
            (15.0, Level::Failure, "0 times c8g.4xlarge"),
            (16.0, Level::Warning, "1 times c8g.4xlarge, which has 16"),
            (63.0, Level::Warning, "3 times"),
            (64.0, Level::Ok, "4 times"),
        ] {
            let value = Asked::Known(value);
            let quota = Quota { check: "quota", code: "L-1", value: &value, types: &types };
            let lines = quota_lines(&quota, &processors);
            assert_eq!(lines[0].level, level, "{lines:?}");
            assert!(lines[0].result.contains(said), "{lines:?}");
        }
        for (value, level) in [(0.0, Level::Failure), (5.0, Level::Ok)] {
            let value = Asked::Known(value);
            let unknown = Quota { check: "quota", code: "L-1", value: &value, types: &types };
            assert_eq!(quota_lines(&unknown, &BTreeMap::new())[0].level, level);
        }
        let none = Quota { check: "quota", code: "L-1", value: &Asked::Skipped, types: &BTreeSet::new() };
        assert_eq!(quota_lines(&none, &processors), []);
    }

    #[test]
    fn families_with_a_quota_of_their_own_are_not_usual() {
        for usual in [
            "a1.large",
            "c7gn.large",
            "i4i.large",
            "im4gn.large",
            "is4gen.large",
            "m7i-flex.large",
            "t4g.nano",
        ] {
            assert!(is_usual(usual), "{usual}");
        }
        for other in [
            "inf2.xlarge",
            "trn1.2xlarge",
            "dl1.24xlarge",
            "hpc7a.12xlarge",
            "mac2.metal",
            "g5.xlarge",
            "u-6tb1.metal",
        ] {
            assert!(!is_usual(other), "{other}");
        }
    }

    #[test]
    fn an_image_must_be_available() {
        for (id, state, level) in [
            (None, None, Level::Failure),
            (Some("ami-1"), None, Level::Failure),
            (Some("ami-1"), Some("pending"), Level::Failure),
            (Some("ami-1"), Some("deregistered"), Level::Failure),
            (Some("ami-1"), Some("available"), Level::Ok),
        ] {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let facts = ImageFacts { name: "/images/arm64".to_owned(), id: owned(id), state: owned(state) };
            assert_eq!(image(&facts).level, level, "{facts:?}");
        }
    }

    #[test]
    fn little_concurrency_is_a_warning_and_none_a_failure() {
        for (unreserved, level) in [(0, Level::Failure), (100, Level::Warning), (101, Level::Ok)] {
            assert_eq!(lambda(&LambdaFacts { all: 1000, unreserved }).level, level, "{unreserved}");
        }
    }
}
