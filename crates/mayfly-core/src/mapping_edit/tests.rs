use proptest::prelude::*;

use super::*;

fn row(name: &str, attributes: &[(&str, &str)]) -> MappingRow {
    MappingRow {
        partition_key: format!("job#{name}"),
        sort_key: "tags#".to_owned(),
        attributes: attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Attribute::text(*value)))
            .collect(),
    }
}

/// The table after the changes. Panics where a condition would refuse one.
fn written(table: Vec<MappingRow>, changes: &[RowChange]) -> Vec<MappingRow> {
    let mut table = by_id(table);
    for change in changes {
        let id = (change.id().0.to_owned(), change.id().1.to_owned());
        assert_eq!(table.remove(&id).as_ref(), change.before(), "the condition of {id:?}");
        if let Some(row) = change.after() {
            table.insert(id, row.clone());
        }
    }
    table.into_values().collect()
}

fn sorted(rows: Vec<MappingRow>) -> Vec<MappingRow> {
    by_id(rows).into_values().collect()
}

#[test]
fn removals_come_last() {
    let table = vec![row("a", &[("type", "EC2")]), row("b", &[("type", "EC2")])];
    let wanted = vec![row("c", &[]), row("b", &[("type", "LOCAL")])];
    let changes = plan(table, wanted, Others::Remove);
    let order: Vec<_> = changes.iter().map(|change| change.id().0).collect();
    assert_eq!(order, ["job#b", "job#c", "job#a"]);
}

#[test]
fn differences_are_told_attribute_by_attribute() {
    let (before, after) = (
        row("a", &[("type", "EC2"), ("gone", "x"), ("same", "1")]),
        row("a", &[("new", "y"), ("same", "1"), ("type", "LOCAL")]),
    );
    let found: Vec<_> = differences(&before.attributes, &after.attributes)
        .into_iter()
        .map(|difference| (difference.attribute, difference.before.is_some(), difference.after.is_some()))
        .collect();
    assert_eq!(found, [("gone", true, false), ("new", false, true), ("type", true, true)]);
}

#[test]
fn a_pause_is_no_part_of_a_document() {
    let paused = [("type", "EC2"), (PAUSED, "broken")];
    let table = vec![row("a", &paused), row("b", &paused), MappingRow::pause_of_all("upgrade")];
    let wanted = vec![row("a", &[("type", "LOCAL")])];
    let after = written(table.clone(), &plan(table, wanted, Others::Remove));
    assert_eq!(
        after,
        [row("a", &[("type", "LOCAL"), (PAUSED, "broken")]), MappingRow::pause_of_all("upgrade")]
    );
}

#[test]
fn all_rows_of_a_name_are_paused_and_resumed() {
    let with = |keys: &str| {
        let (partition_key, sort_key) = keys.split_once(' ').unwrap();
        MappingRow {
            partition_key: partition_key.to_owned(),
            sort_key: sort_key.to_owned(),
            ..row("", &[("type", "EC2")])
        }
    };
    let rows =
        ["job#build tags#", "job#build tags#linux", "job#build* tags#", "project#g/a#job#build tags#linux"];
    let table: Vec<MappingRow> = rows.into_iter().map(with).collect();
    let check = |which: Option<Paused>, expected: &[usize]| {
        let (changes, count) = plan_pause(table.clone(), which.as_ref(), Some("why"));
        let paused = written(table.clone(), &changes);
        let found: Vec<usize> = (0..rows.len())
            .filter(|place| {
                paused.iter().any(|row| row.id() == table[*place].id() && row.attributes.contains_key(PAUSED))
            })
            .collect();
        assert_eq!((found.as_slice(), count), (expected, expected.len().max(1)), "{which:?}");
        assert_eq!(
            plan_pause(paused.clone(), which.as_ref(), Some("why")).0,
            [],
            "a second time changes nothing"
        );
        let (changes, _) = plan_pause(paused.clone(), which.as_ref(), None);
        assert_eq!(written(paused, &changes), sorted(table.clone()), "{which:?}");
    };
    let pattern = NamePattern::Exact("build".parse().unwrap());
    let all = Paused { pattern, project: None, tags: None };
    check(Some(all.clone()), &[0, 1, 3]);
    check(Some(Paused { project: Some("g/a".parse().unwrap()), ..all.clone() }), &[3]);
    check(Some(Paused { tags: Some(TagSet::default()), ..all }), &[0]);
    check(None, &[]);
}

#[test]
fn rows_that_somebody_changed_since_are_named() {
    let change = [
        RowChange::Add(row("added", &[])),
        RowChange::Change { before: row("changed", &[]), after: row("changed", &[("a", "1")]) },
        RowChange::Remove(row("removed", &[])),
        RowChange::Remove(row("back", &[])),
    ];
    let now = vec![row("added", &[]), row("changed", &[("a", "2")]), row("back", &[]), row("other", &[])];
    let back = rollback(&change, now.clone());
    assert_eq!(back.changed_since, [("job#changed".to_owned(), "tags#".to_owned())]);
    let names: Vec<_> = back.changes.iter().map(|change| change.id().0).collect();
    assert_eq!(names, ["job#removed", "job#changed", "job#added"], "what is back already is left alone");
    let after = written(now, &back.changes);
    assert_eq!(after, [row("back", &[]), row("changed", &[]), row("other", &[]), row("removed", &[])]);
}

#[test]
fn a_pause_outlives_the_change_before_it_that_is_taken_back() {
    let (plain, edited) = ([("type", "EC2")], [("type", "LOCAL")]);
    let paused = |attributes: [(&'static str, &'static str); 1]| [attributes[0], (PAUSED, "broken")];
    let check =
        |change: RowChange, now: Option<&[(&str, &str)]>, expected: Option<&[(&str, &str)]>, since| {
            let now: Vec<_> = now.map(|attributes| row("a", attributes)).into_iter().collect();
            let back = rollback(std::slice::from_ref(&change), now.clone());
            assert_eq!(!back.changed_since.is_empty(), since, "{change:?} {now:?}");
            let expected: Vec<_> = expected.map(|attributes| row("a", attributes)).into_iter().collect();
            assert_eq!(written(now, &back.changes), expected, "{change:?}");
        };
    let edit = RowChange::Change { before: row("a", &plain), after: row("a", &edited) };
    check(edit.clone(), Some(&edited), Some(&plain), false);
    check(edit, Some(&paused(edited)), Some(&paused(plain)), false);
    let within = RowChange::Change { before: row("a", &paused(plain)), after: row("a", &paused(edited)) };
    check(within, Some(&edited), Some(&plain), false);
    // Its own pause is taken back with it, and by force over another one.
    let pause = RowChange::Change { before: row("a", &plain), after: row("a", &paused(plain)) };
    check(pause.clone(), Some(&paused(plain)), Some(&plain), false);
    check(pause, Some(&[("type", "EC2"), (PAUSED, "still broken")]), Some(&plain), true);
    let addition = RowChange::Add(row("a", &plain));
    check(addition.clone(), Some(&plain), None, false);
    check(addition, Some(&paused(plain)), None, true);
    let removal = RowChange::Remove(row("a", &plain));
    check(removal.clone(), None, Some(&plain), false);
    check(removal, Some(&paused(edited)), Some(&paused(plain)), true);
}

#[test]
fn a_change_is_known_by_its_moment() {
    let at = "2026-03-04T05:06:07.000089Z".parse().unwrap();
    let head = ChangeHead { at, who: String::new(), command: String::new(), planned: 0 };
    assert_eq!(head.id(), "20260304T050607.000089Z");
}

prop_compose! {
    /// Few keys and few values, so that tables overlap.
    fn any_table()(rows in proptest::collection::btree_map("[a-e]", proptest::collection::btree_map("[x-z]", "[0-1]", 0..3), 0..6)) -> Vec<MappingRow> {
        rows.into_iter().map(|(name, attributes)| {
            let attributes: Vec<_> = attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            row(&name, &attributes)
        }).collect()
    }
}

proptest! {
    #[test]
    fn applied_twice_is_applied_once(table in any_table(), wanted in any_table(), prune: bool) {
        let others = if prune { Others::Remove } else { Others::Keep };
        let after = written(table.clone(), &plan(table, wanted.clone(), others));
        prop_assert_eq!(plan(after, wanted, others), []);
    }

    #[test]
    fn what_was_exported_changes_nothing(table in any_table(), prune: bool) {
        let others = if prune { Others::Remove } else { Others::Keep };
        prop_assert_eq!(plan(table.clone(), table, others), []);
    }

    #[test]
    fn a_pruned_table_is_the_document_and_an_other_loses_nothing(table in any_table(), wanted in any_table()) {
        let pruned = written(table.clone(), &plan(table.clone(), wanted.clone(), Others::Remove));
        prop_assert_eq!(pruned, sorted(wanted.clone()));
        let kept = written(table.clone(), &plan(table.clone(), wanted.clone(), Others::Keep));
        let mut expected = by_id(table);
        expected.extend(by_id(wanted));
        prop_assert_eq!(kept, expected.into_values().collect::<Vec<_>>());
    }

    #[test]
    fn an_interrupted_apply_is_repeated_and_ends_right(table in any_table(), wanted in any_table(), cut in 0_usize..6) {
        let whole = plan(table.clone(), wanted.clone(), Others::Remove);
        let part = written(table, &whole[..cut.min(whole.len())]);
        let again = plan(part.clone(), wanted.clone(), Others::Remove);
        prop_assert_eq!(written(part, &again), sorted(wanted));
    }

    #[test]
    fn a_change_that_is_taken_back_leaves_what_was(table in any_table(), wanted in any_table(), prune: bool) {
        let others = if prune { Others::Remove } else { Others::Keep };
        let changes = plan(table.clone(), wanted, others);
        let after = written(table.clone(), &changes);
        let back = rollback(&changes, after.clone());
        prop_assert_eq!(&back.changed_since, &[]);
        prop_assert_eq!(written(after, &back.changes), table);
    }
}
