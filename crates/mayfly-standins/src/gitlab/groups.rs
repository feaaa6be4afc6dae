//! Groups, and which projects are theirs.

use mayfly_core::ids::ProjectId;

use super::model::HookPlace;
use super::state::State;

impl State {
    /// Finds a group by its number or its path.
    pub(super) fn group(&self, id_or_path: &str) -> Option<u64> {
        let number = id_or_path.parse().ok();
        let is_it = |(id, path): &(&u64, &String)| Some(**id) == number || path.as_str() == id_or_path;
        self.groups.iter().find(is_it).map(|(id, _)| *id)
    }

    /// True if the hook hears of this project.
    pub(super) fn covers(&self, place: &HookPlace, project: ProjectId) -> bool {
        match place {
            HookPlace::Project(only) => *only == project,
            HookPlace::Group(group) => {
                let group = self.groups.get(group);
                let project = self.projects.get(&project);
                group.zip(project).is_some_and(|(group, project)| project.is_in(group))
            }
        }
    }
}
