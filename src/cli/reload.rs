//! The configuration read again while the broker runs.
//!
//! The file is read and checked whole, then put in place whole: tenants, apps, rules, providers, trusted
//! proxies and certificate are one snapshot, which the next request sees and requests under way do not.
//! Invariant: what runs is always one whole file. A fault, or a setting that cannot change while we run,
//! leaves everything as it was and says why: in the log, in the metrics, and as one audit line.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::sync::{Mutex, watch};

use super::judge;
use crate::config::{
    Config, Environment, Fault, Faults, FixedSettings, WatchedFiles, load_checked,
};
use crate::storage::sealing::Replaced;
use crate::telemetry::metrics::count_reload;
use crate::tenants::Directory;
use crate::web::Door;
use crate::web::serve::stopped;

/// How often files are looked at. A change counts when two looks saw the same.
const LOOK: Duration = Duration::from_secs(1);

/// What can be asked for variables from any thread.
pub type SharedEnvironment = Arc<dyn Environment + Send + Sync>;

/// Why the configuration is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// SIGHUP.
    Signal,
    /// A file that was read has changed.
    File,
}

impl Trigger {
    const fn word(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::File => "file",
        }
    }
}

/// Reads the configuration again.
#[derive(Debug)]
pub struct Reloader {
    file: PathBuf,
    environment: NoDebug<SharedEnvironment>,
    door: Arc<Door>,
    fixed: FixedSettings,
    files: Arc<Mutex<WatchedFiles>>,
}

struct NoDebug<T>(T);

impl<T> std::fmt::Debug for NoDebug<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("…")
    }
}

impl Reloader {
    /// For a `door` that was made from `config`. `files` began to be watched before `config` was read.
    #[must_use]
    pub fn new(
        config: &Config,
        environment: SharedEnvironment,
        door: Arc<Door>,
        mut files: WatchedFiles,
    ) -> Self {
        files.also(config.files.iter().cloned());
        Self {
            file: config.file.clone(),
            environment: NoDebug(environment),
            door,
            fixed: config.fixed.clone(),
            files: Arc::new(Mutex::new(files)),
        }
    }

    /// Reads the configuration again, and puts it in place if there is nothing wrong with it.
    ///
    /// # Errors
    /// All that is wrong; then nothing has changed.
    pub async fn reload(&self, trigger: Trigger) -> Result<(), Faults> {
        let mut files = self.files.lock().await;
        files.begin();
        let began = self.door.parts.clock.monotonic();
        let done = self.read_and_put(&mut files).await;
        let seconds = self.door.parts.clock.monotonic().saturating_sub(began);
        tell(trigger, &done, seconds);
        done.map(|_| ())
    }

    /// Looks at the files, and reads the configuration again when one has changed and stands still. To be
    /// called each second.
    pub async fn look(&self) -> Option<Result<(), Faults>> {
        let wanted = self
            .door
            .parts
            .directory
            .current()
            .server()
            .reload_on_change;
        let mut files = Arc::clone(&self.files).lock_owned().await;
        // A network file system can be slow to answer.
        let changed = tokio::task::spawn_blocking(move || files.changed()).await;
        if !(wanted && changed.unwrap_or(false)) {
            return None;
        }
        Some(self.reload(Trigger::File).await)
    }

    /// Does all of it until it is time to stop.
    pub async fn run(self, mut hangup: Signal, stop: watch::Receiver<bool>) {
        let stop = stopped(stop);
        tokio::pin!(stop);
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(()) = hangup.recv() => {
                    let _ = self.reload(Trigger::Signal).await;
                }
                _ = ticks.tick() => {
                    let _ = self.look().await;
                }
                () = &mut stop => return,
            }
        }
    }

    async fn read_and_put(&self, files: &mut WatchedFiles) -> Result<Applied, Faults> {
        let version = self.door.parts.directory.current().version() + 1;
        let file = self.file.clone();
        let environment = Arc::clone(&self.environment.0);
        // Reads files, and with a thousand tenants there is much to check.
        let read = tokio::task::spawn_blocking(move || read(&file, &*environment, version));
        let Ok((loaded, read_files)) = read.await else {
            return Err(Fault::nowhere("the configuration could not be read: a panic").into());
        };
        files.also(read_files);
        let (config, directory) = loaded?;
        if let Some(faults) = self.fixed.differ(&config) {
            return Err(faults);
        }
        let keys = self
            .door
            .parts
            .sealing_keys
            .replace(&config.storage.sealing_keys)
            .map_err(|error| Faults::from(Fault::nowhere(error.to_string())))?;
        let tenants = directory.tenants().len();
        self.door.parts.directory.swap(directory);
        self.door.turn_signing_keys().await;
        Ok(Applied {
            version,
            tenants,
            keys,
            warnings: config.warnings,
        })
    }
}

fn read(
    file: &Path,
    environment: &dyn Environment,
    version: u64,
) -> (Result<(Config, Directory), Faults>, Vec<PathBuf>) {
    load_checked(file, environment, |draft| judge(draft, version))
}

/// A configuration that was put in place.
#[derive(Debug)]
struct Applied {
    version: u64,
    tenants: usize,
    keys: Replaced,
    warnings: Vec<Fault>,
}

fn tell(trigger: Trigger, done: &Result<Applied, Faults>, took: Duration) {
    let (trigger, seconds) = (trigger.word(), took.as_secs_f64());
    count_reload(done.is_ok());
    match done {
        Ok(applied) => {
            for warning in &applied.warnings {
                tracing::warn!("{}", one_line(warning));
            }
            if applied.keys.removed > 0 {
                tracing::info!(
                    removed = applied.keys.removed,
                    "sealing keys were taken away: what they sealed does not open any more"
                );
            }
            tracing::info!(
                target: "audit", event = "configuration_reloaded", trigger,
                version = applied.version, tenants = applied.tenants, seconds,
            );
        }
        Err(faults) => {
            for fault in faults.iter() {
                tracing::error!("{}", one_line(fault));
            }
            let reason = faults.iter().next().map(one_line).unwrap_or_default();
            tracing::error!(
                target: "audit", event = "configuration_refused", trigger, faults = faults.count(),
                reason, "the configuration was not changed"
            );
        }
    }
}

/// A fault for a log: where, what, and what would be right.
fn one_line(fault: &Fault) -> String {
    let place = fault.position().map(|at| format!("{at}: "));
    let help = fault.help().map(|help| format!(" ({help})"));
    [
        place.as_deref().unwrap_or_default(),
        fault.message(),
        help.as_deref().unwrap_or_default(),
    ]
    .concat()
}
