//! Files that were read, and whether they have changed since.
//!
//! They are looked at by name, now and then, instead of being watched: that works on every file system, for
//! editors that put a new file in the place of the old one, and for Kubernetes, which swaps a symbolic link
//! far above. Invariant: a change counts when two looks in a row saw the same, so that a file that is still
//! being written is left alone.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

/// What tells one state of a file from another; none: it is not there.
type State = Option<[i128; 5]>;

/// Files, as they were when they were last read.
#[derive(Clone, Debug, Default)]
pub struct WatchedFiles {
    paths: Vec<PathBuf>,
    read: Vec<State>,
    changing: Option<Vec<State>>,
}

impl WatchedFiles {
    /// Begins with one file, as it is now. Call this before it is read: a change in between counts.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        let mut watched = Self::default();
        watched.also([path]);
        watched
    }

    /// Whether something has changed, and stayed the same since the last call. True once for each change.
    pub fn changed(&mut self) -> bool {
        let now = self.look();
        if now == self.read {
            self.changing = None;
            return false;
        }
        if self.changing.as_ref() != Some(&now) {
            self.changing = Some(now);
            return false;
        }
        self.changing = None;
        self.read = now;
        true
    }

    /// They are about to be read, as they are now.
    pub fn begin(&mut self) {
        self.read = self.look();
        self.changing = None;
    }

    /// Looks after `paths` too, which were read just now.
    pub fn also(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        for path in paths {
            if !self.paths.contains(&path) {
                self.read.push(state(&path));
                self.paths.push(path);
            }
        }
    }

    fn look(&self) -> Vec<State> {
        self.paths.iter().map(state).collect()
    }
}

/// Follows links: what counts is the file that would be read.
fn state(path: &PathBuf) -> State {
    let metadata = fs::metadata(path).ok()?;
    Some([
        metadata.dev().into(),
        metadata.ino().into(),
        metadata.size().into(),
        i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()),
        i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec()),
    ])
}
