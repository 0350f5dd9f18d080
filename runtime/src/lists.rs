//! The lists of models that providers gave, kept on disk for the next process.
//!
//! A list is a convenience: whatever is wrong with a file or its directory costs one question to the provider and is
//! no error. A file that can't be understood is overwritten by the next list.

use std::{
    fs, io,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use greenroom_actors::{CachedList, ListedHook};
use greenroom_providers::{Modalities, ModelInfo};
use serde::{Deserialize, Serialize};
use tokio_util::task::TaskTracker;

use crate::store::make_dir;

/// Raised whenever what a file holds changes its meaning; a file of another version is none.
const VERSION: u32 = 1;
/// In bytes. The longest list that is known has a tenth of it.
const LONGEST: u64 = 4 << 20;
/// How long the end of a process waits for the disk.
const LONGEST_WRITE: Duration = Duration::from_secs(1);

/// Where lists are kept.
#[derive(Debug, Clone)]
pub(crate) struct ListStore {
    dir: PathBuf,
    writing: TaskTracker,
}

/// What a list is valid for: at another address or in another language there are other models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) provider: String,
    pub(crate) kind: String,
    /// The base address as configured; empty is the kind's own.
    pub(crate) base: String,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    origin: Origin,
    /// Seconds since 1970.
    at: u64,
    models: Vec<KeptModel>,
}

/// What lists tell of a model; the rest is asked for model by model, or known from the catalogue.
#[derive(Serialize, Deserialize)]
struct KeptModel {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    context: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_input: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_output: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    images: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    documents: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audio: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tools: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    json_schema: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reasoning: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reasoning_always: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    responses_only: Option<bool>,
}

impl ListStore {
    /// Lists in this data directory, which is made when the first one comes.
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { dir: data_dir.join("models"), writing: TaskTracker::new() }
    }

    /// The list that is kept of this origin.
    pub(crate) fn read(&self, origin: &Origin) -> Option<CachedList> {
        let path = self.path(&origin.provider);
        match read(&path) {
            Ok(kept) if kept.version == VERSION && kept.origin == *origin => {
                let at = UNIX_EPOCH.checked_add(Duration::from_secs(kept.at))?;
                Some(CachedList { models: kept.models.into_iter().map(KeptModel::into_info).collect(), at })
            }
            Ok(_) => {
                tracing::debug!(path = %path.display(), "a list of models that is kept is of another origin");
                None
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::debug!(path = %path.display(), "a list of models that is kept can't be read: {error}");
                None
            }
        }
    }

    /// What keeps each list of this origin from now on.
    pub(crate) fn keeper(&self, origin: Origin) -> ListedHook {
        let (store, origin) = (self.clone(), Arc::new(origin));
        Arc::new(move |_, models| {
            let (store, origin, models) = (store.clone(), Arc::clone(&origin), Arc::clone(models));
            let writing = store.writing.clone();
            writing.spawn_blocking(move || {
                if let Err(error) = store.write(&origin, &models) {
                    tracing::debug!(provider = origin.provider, "a list of models can't be kept: {error}");
                }
            });
        })
    }

    /// Waits until the lists that came are on disk, but not for a disk that hangs.
    pub(crate) async fn settle(&self) {
        self.writing.close();
        let _hangs = tokio::time::timeout(LONGEST_WRITE, self.writing.wait()).await;
    }

    fn write(&self, origin: &Origin, models: &[ModelInfo]) -> io::Result<()> {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?.as_secs();
        let models = models.iter().map(KeptModel::of).collect();
        let json = serde_json::to_vec(&Kept { version: VERSION, origin: origin.clone(), at, models })?;
        if json.len() as u64 > LONGEST {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too long"));
        }
        make_dir(&self.dir)?;
        // Whoever reads finds the old file or the new one, never a part. Temporary files are their user's alone.
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(&json)?;
        file.persist(self.path(&origin.provider)).map_err(|error| error.error)?;
        Ok(())
    }

    fn path(&self, provider: &str) -> PathBuf {
        self.dir.join(file_name(provider))
    }
}

impl KeptModel {
    fn of(info: &ModelInfo) -> Self {
        Self {
            id: info.id.clone(),
            name: info.name.clone(),
            context: info.context,
            max_input: info.max_input,
            max_output: info.max_output,
            images: info.takes.images,
            documents: info.takes.documents,
            audio: info.takes.audio,
            tools: info.tools,
            json_schema: info.json_schema,
            reasoning: info.reasoning,
            reasoning_always: info.reasoning_always,
            responses_only: info.responses_only,
        }
    }

    fn into_info(self) -> ModelInfo {
        let (images, documents, audio) = (self.images, self.documents, self.audio);
        ModelInfo {
            name: self.name,
            context: self.context,
            max_input: self.max_input,
            max_output: self.max_output,
            takes: Modalities { images, documents, audio, ..Modalities::default() },
            tools: self.tools,
            json_schema: self.json_schema,
            reasoning: self.reasoning,
            reasoning_always: self.reasoning_always,
            responses_only: self.responses_only,
            ..ModelInfo::named(self.id)
        }
    }
}

fn read(path: &Path) -> io::Result<Kept> {
    // A pipe or a link is not what was written here, and opening a pipe would wait.
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no plain file"));
    }
    let mut json = Vec::new();
    fs::File::open(path)?.take(LONGEST + 1).read_to_end(&mut json)?;
    if json.len() as u64 > LONGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too long"));
    }
    Ok(serde_json::from_slice(&json)?)
}

/// A provider's name as the name of a file: nothing of it leads elsewhere, and no two share a file.
fn file_name(provider: &str) -> String {
    let mut name = String::new();
    for byte in provider.bytes() {
        // Capitals as well, since some file systems don't tell them from small letters.
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_' {
            name.push(char::from(byte));
        } else {
            name += &format!("%{byte:02x}");
        }
    }
    name + ".json"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(base: &str) -> Origin {
        Origin { provider: "Lab/../x".into(), kind: "openai-compatible".into(), base: base.into() }
    }

    fn ids(list: Option<CachedList>) -> Option<Vec<String>> {
        list.map(|list| list.models.iter().map(|model| model.id.clone()).collect())
    }

    #[test]
    fn a_list_is_kept_for_its_origin_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let store = ListStore::new(&dir.path().join("data"));
        let here = origin("http://127.0.0.1:1/v1");
        assert!(store.read(&here).is_none());
        let takes = Modalities { images: Some(true), documents: Some(false), ..Modalities::default() };
        let model = ModelInfo {
            context: Some(4096),
            max_input: Some(2048),
            name: Some("M".into()),
            takes,
            tools: Some(true),
            responses_only: Some(true),
            ..ModelInfo::named("m")
        };
        store.write(&here, &[ModelInfo::named("old")]).unwrap();
        store.write(&here, std::slice::from_ref(&model)).unwrap();
        let kept = store.read(&here).unwrap();
        assert_eq!(*kept.models, [model]);
        assert!(kept.at.elapsed().unwrap() < Duration::from_secs(60));
        assert!(store.read(&origin("http://127.0.0.1:2/v1")).is_none(), "the address has changed");
        assert!(store.read(&Origin { kind: "ollama".into(), ..here.clone() }).is_none(), "the language has changed");
        let left: Vec<_> = fs::read_dir(&store.dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["%4cab%2f%2e%2e%2fx.json"], "nothing else is left behind");
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
            assert_eq!((mode(&store.dir), mode(&store.path("Lab/../x"))), (0o700, 0o600));
        }
    }

    #[test]
    fn what_is_damaged_is_none_and_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let store = ListStore::new(dir.path());
        let here = origin("");
        store.write(&here, &[ModelInfo::named("m")]).unwrap();
        let path = store.path(&here.provider);
        let good = fs::read_to_string(&path).unwrap();
        let too_long = good.clone() + &" ".repeat(usize::try_from(LONGEST).unwrap());
        let other_version = good.replace("\"version\":1", "\"version\":2");
        for damaged in ["", "{", "[]", &good[..good.len() / 2], &too_long, &other_version] {
            fs::write(&path, damaged).unwrap();
            assert!(store.read(&here).is_none(), "{}", &damaged[..damaged.len().min(80)]);
            store.write(&here, &[ModelInfo::named("m")]).unwrap();
            assert_eq!(ids(store.read(&here)), Some(vec!["m".to_owned()]));
        }
    }
}
