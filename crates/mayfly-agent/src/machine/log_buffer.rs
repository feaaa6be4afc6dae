//! The last lines of the agent's log, until they are sent.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mayfly_aws::machine::LogLine;
use mayfly_core::clock::Clock;

/// Longer lines are cut: CloudWatch takes no more than 256 KiB.
const LONGEST_LINE: usize = 64 * 1024;

/// Where the agent's log is kept. When more is written than one call can carry, the oldest lines are lost.
#[derive(Clone)]
pub(super) struct LogBuffer {
    clock: &'static dyn Clock,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<LogLine>,
    weight: usize,
    lost: usize,
}

impl LogBuffer {
    pub(super) fn new(clock: &'static dyn Clock) -> Self {
        Self { clock, kept: Arc::default() }
    }

    /// Takes all lines that are kept: as many as one call can carry.
    pub(super) fn take(&self) -> Vec<LogLine> {
        let kept = std::mem::take(&mut *self.kept());
        let gap = (kept.lost > 0).then(|| LogLine {
            at: kept.lines.front().map_or_else(|| self.clock.now(), |first| first.at),
            text: format!("{} earlier lines are lost", kept.lost),
        });
        gap.into_iter().chain(kept.lines).collect()
    }

    /// Puts lines back that could not be sent, before those that came meanwhile.
    pub(super) fn put_back(&self, lines: Vec<LogLine>) {
        let mut kept = self.kept();
        kept.weight += lines.iter().map(LogLine::weight).sum::<usize>();
        for line in lines.into_iter().rev() {
            kept.lines.push_front(line);
        }
        kept.lose_what_is_too_much();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn lose_what_is_too_much(&mut self) {
        // Some room is left for the line about the lost ones.
        let (heaviest, largest) = (LogLine::HEAVIEST_BATCH - 1024, LogLine::LARGEST_BATCH - 1);
        while self.weight > heaviest || self.lines.len() > largest {
            let Some(oldest) = self.lines.pop_front() else { return };
            self.weight -= oldest.weight();
            self.lost += 1;
        }
    }
}

/// Takes one line of a log a call.
impl io::Write for LogBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_end();
        if !text.is_empty() {
            let text = text[..text.floor_char_boundary(LONGEST_LINE)].to_owned();
            let line = LogLine { at: self.clock.now(), text };
            let mut kept = self.kept();
            kept.weight += line.weight();
            kept.lines.push_back(line);
            kept.lose_what_is_too_much();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use mayfly_core::clock::SystemClock;

    use super::*;

    fn texts(lines: &[LogLine]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn lines_come_out_once_in_their_order_also_those_that_were_put_back() {
        let buffer = LogBuffer::new(&SystemClock);
        let mut writer = buffer.clone();
        writer.write_all(b"first\n").unwrap();
        writer.write_all(b"second\n").unwrap();
        let taken = buffer.take();
        assert_eq!(texts(&taken), ["first", "second"]);
        assert_eq!(buffer.take(), []);
        writer.write_all(b"third\n").unwrap();
        buffer.put_back(taken);
        assert_eq!(texts(&buffer.take()), ["first", "second", "third"]);
    }

    #[test]
    fn what_is_too_much_for_one_call_is_lost_from_the_front_and_counted() {
        let buffer = LogBuffer::new(&SystemClock);
        let mut writer = buffer.clone();
        for number in 0..20 {
            let line = format!("{number} {}\n", "ü".repeat(100_000));
            writer.write_all(line.as_bytes()).unwrap();
        }
        let taken = buffer.take();
        assert_eq!(taken[0].text, "5 earlier lines are lost");
        assert!(
            taken[1].text.starts_with("5 ") && taken[1].text.len() <= LONGEST_LINE,
            "{}",
            taken[1].text.len()
        );
        assert!(taken.iter().map(LogLine::weight).sum::<usize>() <= LogLine::HEAVIEST_BATCH);

        for _ in 0..=LogLine::LARGEST_BATCH {
            writer.write_all(b"line\n").unwrap();
        }
        let taken = buffer.take();
        assert_eq!(taken.len(), LogLine::LARGEST_BATCH);
        assert_eq!(taken[0].text, "2 earlier lines are lost");
    }
}
