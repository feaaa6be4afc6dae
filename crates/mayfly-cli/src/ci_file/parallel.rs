//! The names that `parallel` gives a job's copies.

use super::node::{Node, Value};

/// GitLab's limit (docs, CI/CD YAML, `parallel`).
const MOST_COPIES: usize = 200;

/// The names of the copies; `None` if the file does not tell.
pub(super) fn names(job: &str, parallel: Option<&Node>) -> Option<Vec<String>> {
    let Some(parallel) = parallel else { return Some(vec![job.to_owned()]) };
    match &parallel.value {
        Value::Text(number) => {
            let count: usize = number.parse().ok().filter(|count| (1..=MOST_COPIES).contains(count))?;
            Some((1..=count).map(|number| format!("{job} {number}/{count}")).collect())
        }
        Value::Map(map) => {
            let mut names = Vec::new();
            for variables in map.some("matrix")?.members() {
                let values = variables.map()?.iter().map(|(_, values)| texts(values));
                for copy in product(&values.collect::<Option<Vec<_>>>()?)? {
                    names.push(format!("{job}: [{}]", copy.join(", ")));
                }
            }
            (1..=MOST_COPIES).contains(&names.len()).then_some(names)
        }
        _ => None,
    }
}

fn texts(values: &Node) -> Option<Vec<String>> {
    values.members().iter().map(|value| value.text().map(str::to_owned)).collect()
}

/// Every choice of one value each; the last changes first.
fn product(values: &[Vec<String>]) -> Option<Vec<Vec<String>>> {
    let mut choices = vec![Vec::new()];
    for values in values {
        if choices.len().saturating_mul(values.len()) > MOST_COPIES {
            return None;
        }
        let longer = |choice: &Vec<String>| {
            let choice = choice.clone();
            values.iter().map(move |value| choice.iter().chain([value]).cloned().collect::<Vec<_>>())
        };
        choices = choices.iter().flat_map(longer).collect();
    }
    Some(choices)
}
