//! The machines behind the emulator's EC2. An instance whose image is the runners' is a process here: the agent, with what it would
//! have on a machine. An instance of another image boots nothing.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mayfly_aws::function::{Connection, Variables};
use reqwest::{Client, Method};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use crate::processes;

/// The image on which the agent starts with the machine.
pub(crate) const RUNNER_IMAGE: &str = "ami-0a9e9700000000001";

/// An image on which nothing starts.
pub(crate) const OTHER_IMAGE: &str = "ami-0a9e9700000000002";

/// What the machines have in common.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Site {
    /// Where AWS is.
    pub(crate) endpoint: String,
    pub(crate) region: String,
    /// Where the emulator tells what became of instances.
    machines: String,
    /// The folder with the programs of the runners' image.
    machine_image: PathBuf,
    /// Where the machines' disks are.
    machine_folders: PathBuf,
    /// The folder of everything, with the logs.
    pub(crate) folder: PathBuf,
}

/// An instance as EC2 describes it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Instance {
    pub(crate) id: String,
    /// In EC2's word, such as `running`.
    pub(crate) state: String,
    pub(crate) image: String,
    /// Such as `m7g.large`.
    #[serde(rename = "type")]
    pub(crate) size: String,
    /// `spot`, or none for one that was bought on demand.
    pub(crate) lifecycle: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// Its volumes with their tags.
    pub(crate) volumes: BTreeMap<String, BTreeMap<String, String>>,
}

/// What became of an instance.
#[derive(Debug, Clone, Deserialize)]
struct Change {
    number: u64,
    instance: String,
    state: String,
    image: String,
    metadata: Option<String>,
}

/// The room, which works as long as it is there.
pub(crate) struct MachineRoom {
    emulator: Emulator,
    /// How many machines have booted.
    booted: Arc<AtomicU64>,
    keeper: JoinHandle<()>,
}

impl MachineRoom {
    /// Begins with the instances that there are now, if any.
    pub(crate) fn open(site: Site) -> Self {
        let emulator = Emulator::new(&site.machines);
        let booted = Arc::new(AtomicU64::new(0));
        let keeper = Keeper {
            site,
            emulator: emulator.clone(),
            booted: Arc::clone(&booted),
            plugs: HashMap::new(),
            machines: JoinSet::new(),
        };
        Self { emulator, booted, keeper: tokio::spawn(keeper.keep()) }
    }

    /// How many machines have booted so far.
    pub(crate) fn booted(&self) -> u64 {
        self.booted.load(Ordering::Relaxed)
    }

    /// EC2 itself, for what only a test may say to it.
    pub(crate) fn emulator(&self) -> &Emulator {
        &self.emulator
    }
}

impl Drop for MachineRoom {
    fn drop(&mut self) {
        // With it go the machines.
        self.keeper.abort();
    }
}

/// What tests say to the emulated EC2: see `xtask/e2e/emulator/extensions/control.py`.
#[derive(Debug, Clone)]
pub(crate) struct Emulator {
    address: String,
    client: Client,
}

impl Emulator {
    fn new(address: &str) -> Self {
        Self { address: address.to_owned(), client: Client::builder().no_proxy().build().unwrap() }
    }

    /// How much room the pools have. The first entry that fits says it: by `market`, `type`, `subnet` and `image`, as far as it names
    /// them, with `left` and a `code` for those that find none.
    pub(crate) async fn set_capacity(&self, entries: Value) {
        self.ask(Method::PUT, "capacity", &entries).await;
    }

    /// What becomes of the next calls of `CreateFleet`: each is `refused` with a `code`, or its answer is `lost`.
    pub(crate) async fn set_fates(&self, fates: Value) {
        self.ask(Method::PUT, "fates", &fates).await;
    }

    /// AWS takes a spot instance back in so many seconds.
    pub(crate) async fn interrupt(&self, instance: &str, seconds: u32) {
        let path = format!("instances/{instance}/interruption?in={seconds}");
        self.ask(Method::POST, &path, &Value::Null).await;
    }

    /// All instances that there are, and for a minute those that were.
    pub(crate) async fn instances(&self) -> Vec<Instance> {
        serde_json::from_value(self.ask(Method::GET, "instances", &Value::Null).await).unwrap()
    }

    /// The instance of this id.
    pub(crate) async fn instance(&self, id: &str) -> Instance {
        let mut instances = self.instances().await.into_iter();
        instances.find(|instance| instance.id == id).unwrap_or_else(|| panic!("there is no {id}"))
    }

    /// Launches an instance that nobody looks after, with these tags.
    pub(crate) async fn launch_stranger(&self, tags: Value) -> String {
        serde_json::from_value(self.ask(Method::POST, "instances", &tags).await).unwrap()
    }

    /// Everything that the emulator keeps and that people may read: tags, user data, logs, events, inputs of state machines.
    pub(crate) async fn written(&self) -> HashMap<String, String> {
        serde_json::from_value(self.ask(Method::GET, "written", &Value::Null).await).unwrap()
    }

    /// It is time for this schedule.
    pub(crate) async fn fire(&self, schedule: &str) {
        self.ask(Method::POST, &format!("schedules/{schedule}/firing"), &Value::Null).await;
    }

    /// Credentials of a role, whoever it trusts.
    pub(crate) async fn credentials_of(&self, role: &str) -> Credentials {
        let answer = self.ask(Method::GET, &format!("roles/{role}/credentials"), &Value::Null).await;
        serde_json::from_value(answer).unwrap()
    }

    /// The credentials that an instance has from its metadata.
    pub(crate) async fn credentials_on(&self, instance: &str) -> Credentials {
        let changes = self.changes_after(0).await;
        let change =
            changes.iter().rfind(|change| change.instance == instance).expect("the instance is known");
        let metadata = change.metadata.as_deref().expect("the instance is there");
        let request = self.client.put(format!("{metadata}/latest/api/token"));
        let request = request.header("X-aws-ec2-metadata-token-ttl-seconds", "60");
        let token = request.send().await.unwrap().text().await.unwrap();
        let look_up = async |path: &str| {
            let request =
                self.client.get(format!("{metadata}/latest/meta-data/iam/security-credentials/{path}"));
            let request = request.header("X-aws-ec2-metadata-token", &token);
            request.send().await.unwrap().error_for_status().unwrap().text().await.unwrap()
        };
        let role = look_up("").await;
        serde_json::from_str(&look_up(&role).await).unwrap()
    }

    async fn power_off(&self, instance: &str) {
        self.ask(Method::POST, &format!("instances/{instance}/power-off"), &Value::Null).await;
    }

    /// What became of instances after this change. Waits until there is something, for a while.
    async fn changes_after(&self, number: u64) -> Vec<Change> {
        serde_json::from_value(self.ask(Method::GET, &format!("changes?after={number}"), &json!(null)).await)
            .unwrap()
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        let request = self.client.request(method, format!("{}/{path}", self.address)).json(body);
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }
}

/// Credentials for a while.
#[derive(Deserialize)]
pub(crate) struct Credentials {
    #[serde(alias = "AccessKeyId")]
    id: String,
    #[serde(alias = "SecretAccessKey")]
    secret: String,
    #[serde(alias = "Token")]
    token: String,
}

impl Credentials {
    /// AWS, with the rights of these credentials.
    pub(crate) fn connection(&self, site: &Site) -> Connection {
        let variables = Variables::new(|name| {
            let value = match name {
                "AWS_REGION" => &site.region,
                "AWS_ENDPOINT_URL" => &site.endpoint,
                "AWS_ACCESS_KEY_ID" => &self.id,
                "AWS_SECRET_ACCESS_KEY" => &self.secret,
                "AWS_SESSION_TOKEN" => &self.token,
                _ => return None,
            };
            Some(value.clone())
        });
        Connection::read(&variables).unwrap()
    }
}

/// Boots machines and pulls their plugs.
struct Keeper {
    site: Site,
    emulator: Emulator,
    booted: Arc<AtomicU64>,
    plugs: HashMap<String, oneshot::Sender<()>>,
    machines: JoinSet<()>,
}

impl Keeper {
    async fn keep(mut self) {
        let mut seen = 0;
        loop {
            for change in self.emulator.changes_after(seen).await {
                seen = change.number;
                self.follow(change);
            }
            while let Some(ended) = self.machines.try_join_next() {
                ended.unwrap();
            }
        }
    }

    fn follow(&mut self, change: Change) {
        let Change { instance, state, image, metadata, .. } = change;
        match state.as_str() {
            "running" if image == RUNNER_IMAGE => {
                let metadata = metadata.expect("a running instance has metadata");
                let (plug, pulled) = oneshot::channel();
                self.plugs.insert(instance.clone(), plug);
                self.booted.fetch_add(1, Ordering::Relaxed);
                self.machines.spawn(machine(
                    self.site.clone(),
                    self.emulator.clone(),
                    instance,
                    metadata,
                    pulled,
                ));
            }
            // A machine that has ended by itself does not hear it.
            "shutting-down" => drop(self.plugs.remove(&instance)),
            _ => {}
        }
    }
}

/// One machine, from power on to power off.
async fn machine(
    site: Site,
    emulator: Emulator,
    instance: String,
    metadata: String,
    pulled: oneshot::Receiver<()>,
) {
    let mut child = boot(&site, &instance, &metadata).spawn().unwrap();
    let root = child.id().unwrap();
    tokio::select! {
        ended = child.wait() => {
            ended.unwrap();
            // As the unit says: whatever became of the agent.
            emulator.power_off(&instance).await;
        }
        _ = pulled => {
            processes::kill_tree(root);
            child.wait().await.unwrap();
        }
    }
}

/// The agent as the unit of the image starts it.
fn boot(site: &Site, instance: &str, metadata: &str) -> Command {
    let home = site.machine_folders.join(instance);
    std::fs::create_dir_all(&home).unwrap();
    let logs = site.folder.join("log/machines");
    std::fs::create_dir_all(&logs).unwrap();
    let log = File::create(logs.join(format!("{instance}.log"))).unwrap();
    let mut command = Command::new(site.machine_image.join("mayfly-agent"));
    command
        .args(["machine", "--spot-poll", "500ms", "--work-dir"])
        .arg(&home)
        .env_clear()
        .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", site.machine_image.display()))
        .env("HOME", &home)
        .env("AWS_ENDPOINT_URL", &site.endpoint)
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata)
        .current_dir(&home)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true);
    command
}
