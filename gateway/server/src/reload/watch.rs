//! Watches the files that a snapshot is made of and asks for a reload when they change.
//!
//! Editors rename a new file over the old one, Kubernetes swaps a symbolic link beside it, `git checkout` writes many
//! files: so directories are watched, not files; events are gathered until [`QUIET`] has passed without one (at most
//! [`GATHER_MAX`]); and the watches are set anew before every reload, since a replaced directory takes its watch along.
//! Our own reading of the files, and logs written beside them, ask for nothing. Where the system has no events to give
//! (its limit on watches reached, some network file systems) the files are looked at every [`POLL`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{Config, Event, EventKind, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher};
use parking_lot::Mutex;
use rampart_inspection::matches_path;

/// A change counts as finished when nothing more happened for this long.
const QUIET: Duration = Duration::from_millis(200);
/// ... but a reload is asked for after this long even when changes go on.
const GATHER_MAX: Duration = Duration::from_secs(2);
/// How often files are looked at where there are no events.
const POLL: Duration = Duration::from_secs(2);
/// Kubernetes swaps this link when a mounted ConfigMap or Secret changes.
const KUBERNETES_LINK: &str = "..data";

/// The files of a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Targets {
    /// Single files: config.toml, certificates, keys.
    pub(crate) files: BTreeSet<PathBuf>,
    /// Directories of which everything below counts: rules/.
    pub(crate) trees: BTreeSet<PathBuf>,
    /// Names in one directory, with wildcards: SecLang files.
    pub(crate) patterns: BTreeSet<PathBuf>,
}

/// The running watch. It ends when this is dropped.
pub(crate) struct Watch {
    targets: Arc<Mutex<Targets>>,
    poke: Sender<Message>,
}

enum Message {
    Event(notify::Result<Event>),
    /// The targets are others now.
    Retarget,
    Stop,
}

impl Watch {
    /// Starts watching; `changed` is called on the watch's own thread after each settled change.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn start(targets: Targets, changed: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let (sender, events) = channel();
        let targets = Arc::new(Mutex::new(absolute(targets)));
        let watcher = Eyes::open(&sender);
        let shared = Arc::clone(&targets);
        thread::Builder::new().name("watch".into()).spawn(move || run(watcher, &events, &shared, changed))?;
        Ok(Self { targets, poke: sender })
    }

    /// Watches other files from now on (a reload may have brought a new certificate or rules directory).
    pub(crate) fn retarget(&self, targets: Targets) {
        let targets = absolute(targets);
        let mut current = self.targets.lock();
        if *current != targets {
            *current = targets;
            let _ = self.poke.send(Message::Retarget);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.poke.send(Message::Stop);
    }
}

/// Events carry the path that was watched with a name below it, so targets are made absolute; links are kept as they are.
fn absolute(targets: Targets) -> Targets {
    let make = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    Targets {
        files: targets.files.into_iter().map(make).collect(),
        trees: targets.trees.into_iter().map(make).collect(),
        patterns: targets.patterns.into_iter().map(make).collect(),
    }
}

impl Targets {
    /// The directories that patterns are about.
    fn folders(&self) -> impl Iterator<Item = &Path> {
        self.patterns.iter().filter_map(|pattern| pattern.parent())
    }

    /// What must be watched: each tree, and the directory of each target, so that a replaced target is seen. A link's
    /// destination is watched as well.
    fn watches(&self) -> Vec<(PathBuf, RecursiveMode)> {
        let mut around: BTreeSet<PathBuf> = self.folders().map(Path::to_path_buf).collect();
        for path in self.files.iter().chain(&self.trees).map(PathBuf::as_path).chain(self.folders()) {
            around.extend(path.parent().map(Path::to_path_buf));
            if let Ok(real) = path.canonicalize()
                && real != path
            {
                around.extend(real.parent().map(Path::to_path_buf));
            }
        }
        let mut watches: Vec<_> = around.into_iter().map(|path| (path, RecursiveMode::NonRecursive)).collect();
        // After the directories around them: a tree that is also such a directory must end up recursive.
        watches.extend(self.trees.iter().map(|path| (path.clone(), RecursiveMode::Recursive)));
        watches
    }

    /// Whether an event at `path` may change what a reload reads.
    fn concern(&self, path: &Path) -> bool {
        let file_name = path.file_name().unwrap_or_default();
        self.files.contains(path)
            || self.trees.iter().any(|tree| path.starts_with(tree))
            || self.patterns.iter().any(|pattern| matches_path(pattern, path))
            || self.folders().any(|folder| folder == path)
            || file_name == KUBERNETES_LINK
            || self.files.iter().any(|file| file.canonicalize().is_ok_and(|real| real == path))
    }
}

/// Whether a kind of event can mean that content changed. Opening and reading (which reloads do themselves) cannot.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => true,
    }
}

/// The system's watcher, or the one that looks by itself.
struct Eyes {
    watcher: Box<dyn Watcher + Send>,
    sender: Sender<Message>,
    watched: Vec<PathBuf>,
}

impl Eyes {
    fn open(sender: &Sender<Message>) -> Self {
        let events = sender.clone();
        let native = RecommendedWatcher::new(move |event| drop(events.send(Message::Event(event))), Config::default());
        let watcher: Box<dyn Watcher + Send> = match native {
            Ok(watcher) => Box::new(watcher),
            Err(error) => Self::polling(sender, &error),
        };
        Self { watcher, sender: sender.clone(), watched: Vec::new() }
    }

    fn polling(sender: &Sender<Message>, reason: &notify::Error) -> Box<dyn Watcher + Send> {
        log::warn!(target: "rampart", "file events are not to be had ({reason}); looking every {} s", POLL.as_secs());
        let events = sender.clone();
        let config = Config::default().with_poll_interval(POLL).with_compare_contents(true);
        match PollWatcher::new(move |event| drop(events.send(Message::Event(event))), config) {
            Ok(watcher) => Box::new(watcher),
            Err(error) => {
                log::error!(target: "rampart", "cannot watch the files ({error}): reload with SIGHUP or the admin API");
                Box::new(notify::NullWatcher)
            }
        }
    }

    /// Sets all watches anew. A target that is not there now is seen when it comes, through the directory around it.
    fn fix(&mut self, targets: &Targets) {
        for path in self.watched.drain(..) {
            // A directory that was removed has lost its watch already.
            let _ = self.watcher.unwatch(&path);
        }
        for (path, mode) in targets.watches() {
            match self.watcher.watch(&path, mode) {
                Ok(()) => self.watched.push(path),
                Err(error) if matches!(error.kind, notify::ErrorKind::MaxFilesWatch) => {
                    self.watcher = Self::polling(&self.sender, &error);
                    self.watched.clear();
                    return self.fix_polling(targets);
                }
                Err(error) => log::debug!(target: "rampart", "cannot watch {}: {error}", path.display()),
            }
        }
    }

    fn fix_polling(&mut self, targets: &Targets) {
        for (path, mode) in targets.watches() {
            if self.watcher.watch(&path, mode).is_ok() {
                self.watched.push(path);
            }
        }
    }
}

fn run(mut eyes: Eyes, events: &Receiver<Message>, targets: &Mutex<Targets>, changed: impl Fn()) {
    let mut current = targets.lock().clone();
    eyes.fix(&current);
    while let Ok(message) = events.recv() {
        match message {
            Message::Stop => return,
            Message::Retarget => {
                current = targets.lock().clone();
                eyes.fix(&current);
            }
            Message::Event(event) if concerns(&current, &event) => {
                if gather(events) == Gathered::Stop {
                    return;
                }
                current = targets.lock().clone();
                // Watches first, then the reload: what changes in between is seen by one of the two.
                eyes.fix(&current);
                changed();
            }
            Message::Event(_) => {}
        }
    }
}

fn concerns(targets: &Targets, event: &notify::Result<Event>) -> bool {
    match event {
        // Events were lost: look.
        Ok(event) if event.need_rescan() => true,
        Ok(event) => is_change(event.kind) && event.paths.iter().any(|path| targets.concern(path)),
        Err(error) => {
            log::debug!(target: "rampart", "watching the files: {error}");
            false
        }
    }
}

#[derive(PartialEq, Eq)]
enum Gathered {
    Settled,
    Stop,
}

/// Takes events until none came for a while.
fn gather(events: &Receiver<Message>) -> Gathered {
    let until = Instant::now() + GATHER_MAX;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match events.recv_timeout(QUIET.min(left)) {
            Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return Gathered::Stop,
            Ok(_) if !left.is_zero() => {}
            Ok(_) | Err(RecvTimeoutError::Timeout) => return Gathered::Settled,
        }
    }
}

#[cfg(test)]
mod tests;
