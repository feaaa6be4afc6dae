//! Which projects and groups a command is about.

use anyhow::{anyhow, bail};
use clap::Args;
use mayfly_core::error::Chain;
use mayfly_gitlab::client::{GitlabClient, HookPlace};

/// The projects and groups, as a person names them.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Projects")]
#[group(required = true, multiple = true)]
pub(crate) struct PlacesFlags {
    /// A project, such as `group/app`. Can be repeated.
    #[arg(long = "project", value_name = "PATH")]
    pub(crate) projects: Vec<String>,
    /// A group: each of its projects, and those of its subgroups, except archived ones. Can be repeated.
    #[arg(long = "group", value_name = "PATH")]
    pub(crate) groups: Vec<String>,
    /// The groups' own webhook instead, one for all their projects. Needs GitLab Premium or Ultimate, and the role of an owner.
    #[arg(long, requires = "groups")]
    pub(crate) group_hook: bool,
}

/// One project or group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its path.
    pub(crate) path: String,
    pub(crate) place: HookPlace,
}

impl PlacesFlags {
    pub(crate) fn is_empty(&self) -> bool {
        self.projects.is_empty() && self.groups.is_empty()
    }

    /// Each project and group once, in the order they are named; a project that cannot be found is an error of its own. Fails if a
    /// group cannot be found: nobody knows which projects are meant.
    pub(crate) async fn find(
        &self,
        client: &GitlabClient,
    ) -> anyhow::Result<Vec<Result<Place, (String, anyhow::Error)>>> {
        let mut places: Vec<Result<Place, (String, anyhow::Error)>> = Vec::new();
        for path in &self.projects {
            places.push(project(client, path).await.map_err(|error| (path.clone(), error)));
        }
        for path in &self.groups {
            if self.group_hook {
                places.push(Ok(Place { path: path.clone(), place: HookPlace::Group(path.clone()) }));
            } else {
                places.extend(projects_of(client, path).await?.into_iter().map(Ok));
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        places.retain(|place| place.as_ref().map_or(true, |place| seen.insert(place.place.clone())));
        Ok(places)
    }
}

async fn project(client: &GitlabClient, path: &str) -> anyhow::Result<Place> {
    let path = path.trim_matches('/');
    match client.find_project(path).await {
        Ok(Some(found)) => Ok(Place { path: found.path_with_namespace, place: HookPlace::Project(found.id) }),
        Ok(None) => bail!(
            "there is no project {path} that the token may see: check its path and the token's role in it"
        ),
        Err(error) => Err(anyhow!("{}", Chain(&error))),
    }
}

async fn projects_of(client: &GitlabClient, path: &str) -> anyhow::Result<Vec<Place>> {
    let found =
        client.group_projects(path.trim_matches('/')).await.map_err(|error| anyhow!("{}", Chain(&error)))?;
    let Some(found) = found else {
        bail!("there is no group {path} that the token may see: check its path and the token's role in it");
    };
    Ok(found
        .into_iter()
        .map(|project| Place { path: project.path_with_namespace, place: HookPlace::Project(project.id) })
        .collect())
}
