//! `outrigger image load|ls|rm`

use std::path::Path;

use outrigger_image::{Reference, Store};

use crate::args::{Image, Places};
use crate::failure::Failure;
use crate::screen;

/// Does what was asked of the images.
pub(crate) fn image(places: &Places, image: &Image) -> Result<u8, Failure> {
    let directories = places
        .directories()
        .map_err(|error| Failure::of("find the current directory", &error))?;
    let store = Store::open(&directories.root)
        .map_err(|error| Failure::of("open the image store", &error))?;
    match image {
        Image::Load { file } => load(&store, file),
        Image::Ls => list(&store),
        Image::Rm { names } => remove(&store, names),
    }
}

fn load(store: &Store, file: &Path) -> Result<u8, Failure> {
    let names = if file == Path::new("-") {
        store.load_stream(std::io::stdin().lock())
    } else {
        store.load_file(file)
    };
    let names = names.map_err(|error| Failure::of(&format!("load {}", file.display()), &error))?;
    let lines: String = names
        .iter()
        .map(|name| format!("Loaded image: {name}\n"))
        .collect();
    screen::output(lines.as_bytes())?;
    Ok(0)
}

fn list(store: &Store) -> Result<u8, Failure> {
    let images = store
        .list()
        .map_err(|error| Failure::of("list images", &error))?;
    let width = images
        .iter()
        .map(|image| image.name.len())
        .max()
        .unwrap_or(0)
        .max(4);
    let mut text = format!("{:<width$}  ID\n", "NAME");
    for image in images {
        text.push_str(&format!("{:<width$}  {}\n", image.name, image.id));
    }
    screen::output(text.as_bytes())?;
    Ok(0)
}

fn remove(store: &Store, names: &[String]) -> Result<u8, Failure> {
    for name in names {
        let reference = Reference::parse(name)
            .map_err(|error| Failure::of(&format!("remove {name}"), &error))?;
        store
            .remove(&reference.to_string())
            .map_err(|error| Failure::of(&format!("remove {name}"), &error))?;
        screen::output(format!("Removed image: {name}\n").as_bytes())?;
    }
    Ok(0)
}
