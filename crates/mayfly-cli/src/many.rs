//! The same for many things, some of them at once, with a progress bar.

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;

/// GitLab lets a user make hundreds of calls a minute, and Lambda an account 100 a second (quotas, control plane); eight at once are
/// far from that and fast enough.
pub(crate) const AT_ONCE: usize = 8;

/// A bar for less is gone before it is seen.
const FEWEST_FOR_A_BAR: usize = 10;

/// Does the work for each item, so many at once, and returns the results in the order of the items. The bar is on standard error,
/// if that is a terminal.
pub(crate) async fn for_each<T, R, F>(
    items: Vec<T>,
    at_once: usize,
    what: &'static str,
    work: impl Fn(T) -> F,
) -> Vec<R>
where
    F: Future<Output = R> + Send + 'static,
    R: Send + 'static,
{
    let bar = bar(items.len(), what);
    let mut waiting = items.into_iter().enumerate();
    let mut running = JoinSet::new();
    let mut results = Vec::new();
    loop {
        while running.len() < at_once {
            let Some((index, item)) = waiting.next() else { break };
            let work = work(item);
            running.spawn(async move { (index, work.await) });
        }
        let Some(ended) = running.join_next().await else { break };
        bar.inc(1);
        match ended {
            Ok(result) => results.push(result),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // Nobody cancels it.
            Err(_) => {}
        }
    }
    bar.finish_and_clear();
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

fn bar(length: usize, what: &'static str) -> ProgressBar {
    if length < FEWEST_FOR_A_BAR {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}");
    let bar = ProgressBar::new(length as u64).with_message(what);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let work = |number: usize| async move {
            for _ in 0..(100 - number) {
                tokio::task::yield_now().await;
            }
            number * 2
        };
        let results = runtime.block_on(for_each((0..100).collect(), AT_ONCE, "counted", work));
        assert_eq!(results, (0..100).map(|number| number * 2).collect::<Vec<_>>());
    }
}
