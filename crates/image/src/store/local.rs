//! How is an archive or a layout used in place, and how is a change of it noticed?

use std::fs::File;

use super::scratch::Scratch;
use super::{Image, Store, named};
use crate::contents::{self, Contents};
use crate::digest::Digest;
use crate::error::ImageError;
use crate::load::{self, Wanted};
use crate::reference::Reference;

/// The source, opened.
enum LocalSource {
    Layout(Contents),
    Archive(File),
}

impl Store {
    /// Unpacks the source when it is first seen or has changed; else only looks its image up.
    pub(super) fn resolve_local(&self, reference: &Reference) -> Result<Image, ImageError> {
        let name = reference.to_string();
        let (stamp, source) = self.local_source(reference)?;
        if let Some(entry) = self.read_names()?.names.get(&name)
            && entry.stamp.as_ref() == Some(&stamp)
            && let Some(image) = self.image(&entry.id)?
        {
            return Ok(image);
        }
        let _using = self.lock_use()?;
        let scratch = Scratch::new(self)?;
        let contents = match source {
            LocalSource::Layout(contents) => contents,
            LocalSource::Archive(file) => {
                let file = contents::plain_archive(file, &name, scratch.path(), &self.limits)?;
                Contents::archive(file, name.clone(), &self.limits)?
            }
        };
        let candidate = match reference {
            Reference::DockerArchive { image, .. } => {
                let wanted = image.as_ref().map_or(Wanted::Single, Wanted::Docker);
                load::docker_candidates(&contents, &wanted, &self.limits)?
            }
            Reference::Oci { tag, .. } | Reference::OciArchive { tag, .. } => {
                let wanted = tag.as_deref().map_or(Wanted::Single, Wanted::Tag);
                load::candidates(&contents, &wanted, &self.limits)?
            }
            _ => Vec::new(),
        };
        let candidate = candidate
            .into_iter()
            .next()
            .ok_or_else(|| contents.malformed("it holds no image"))?;
        self.take(&contents, &candidate, &scratch)?;
        let entry = named(&candidate, Some(stamp));
        self.edit_names(|index| {
            index.names.insert(name.clone(), entry);
        })?;
        self.image(&candidate.id.to_string())?
            .ok_or(ImageError::NotPresent { name })
    }

    /// Opens a layout or an archive and says what would change if its content did.
    fn local_source(&self, reference: &Reference) -> Result<(String, LocalSource), ImageError> {
        if let Reference::Oci { dir, .. } = reference {
            let contents = Contents::folder(dir)?;
            let index = contents.read("index.json", self.limits.manifest_bytes)?;
            let index = index.ok_or_else(|| contents.missing("index.json"))?;
            return Ok((
                Digest::of(&index).to_string(),
                LocalSource::Layout(contents),
            ));
        }
        let (Reference::OciArchive { file, .. } | Reference::DockerArchive { file, .. }) =
            reference
        else {
            return Err(ImageError::NotPresent {
                name: reference.to_string(),
            });
        };
        use std::os::unix::fs::MetadataExt;
        let from = reference.to_string();
        let file = contents::open_named(file, &from)?;
        let stat = file.metadata().map_err(|source| ImageError::Read {
            what: "the metadata".to_owned(),
            from,
            source,
        })?;
        // The change time cannot be set back by whoever replaces the content.
        let stamp = format!(
            "{}:{}:{}:{}.{}:{}.{}",
            stat.dev(),
            stat.ino(),
            stat.len(),
            stat.mtime(),
            stat.mtime_nsec(),
            stat.ctime(),
            stat.ctime_nsec()
        );
        Ok((stamp, LocalSource::Archive(file)))
    }
}
