//! Random stacks of layers against a model of what the OCI image specification says they show, read both through
//! our merged view and through the kernel's overlayfs.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::testing::Seeded;
use crate::view::View;

type Parts = Vec<String>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Folder,
    File(String),
    Link(String),
}

/// What is visible, and which of it the layer at hand has put there.
#[derive(Debug, Default, Clone)]
struct Model {
    shown: BTreeMap<Parts, Node>,
    mine: BTreeSet<Parts>,
}

impl Model {
    /// Where a folder path leads; `None` through a file or a loop.
    fn lead(&self, path: &[String]) -> Option<Parts> {
        let mut todo: Vec<String> = path.iter().rev().cloned().collect();
        let (mut done, mut links) = (Parts::new(), 0);
        while let Some(next) = todo.pop() {
            if next.is_empty() || next == "." {
                continue;
            }
            if next == ".." {
                done.pop();
                continue;
            }
            done.push(next);
            match self.shown.get(&done) {
                Some(Node::File(_)) => return None,
                Some(Node::Link(target)) => {
                    links += 1;
                    if links > 40 {
                        return None;
                    }
                    done.pop();
                    if target.starts_with('/') {
                        done.clear();
                    }
                    todo.extend(target.split('/').rev().map(str::to_owned));
                }
                Some(Node::Folder) | None => {}
            }
        }
        Some(done)
    }

    fn make_way(&mut self, path: &[String]) {
        for length in 1..=path.len() {
            self.shown
                .entry(path[..length].to_vec())
                .or_insert(Node::Folder);
            self.mine.insert(path[..length].to_vec());
        }
    }

    fn drop_below(&mut self, path: &[String], with_mine: bool) {
        let below = |p: &Parts| p.len() > path.len() && p.starts_with(path);
        self.shown
            .retain(|p, _| !below(p) || (!with_mine && self.mine.contains(p)));
        self.mine.retain(|p| !below(p) || !with_mine);
    }

    fn put(&mut self, path: Parts, node: Node) {
        if node != Node::Folder || self.shown.get(&path) != Some(&Node::Folder) {
            self.drop_below(&path, true);
            self.shown.insert(path.clone(), node);
        }
        self.mine.insert(path);
    }

    fn white_out(&mut self, path: &[String]) {
        if !self.mine.contains(path) {
            self.drop_below(path, true);
            self.shown.remove(path);
        } else if self.shown.get(path) == Some(&Node::Folder) {
            self.drop_below(path, false);
        }
    }
}

/// A random entry, taken by the model too; `None` where the unpacker would have to refuse it.
fn random_entry(model: &mut Model, random: &mut Seeded) -> Option<Item> {
    let names = ["a", "b", "c"];
    let name = |random: &mut Seeded| names[random.below(3)].to_owned();
    let written: Parts = (0..random.below(4)).map(|_| name(random)).collect();
    let last = name(random);
    let text = |last: &str| {
        written
            .iter()
            .map(String::as_str)
            .chain([last])
            .collect::<Vec<_>>()
            .join("/")
    };
    let parent = model.lead(&written)?;
    let mut path = parent.clone();
    path.push(last.clone());
    let choice = random.below(16);
    let own_files: Vec<Parts> = model
        .mine
        .iter()
        .filter(|p| matches!(model.shown.get(*p), Some(Node::File(_))))
        .cloned()
        .collect();
    if choice == 15 && own_files.is_empty() {
        return None;
    }
    model.make_way(&parent);
    Some(match choice {
        0..5 => {
            let content = random.below(1000).to_string();
            model.put(path, Node::File(content.clone()));
            file(text(&last), content)
        }
        5..8 => {
            model.put(path, Node::Folder);
            folder(text(&last))
        }
        8..10 => {
            let target = ["a", "/b/c", "../c", "../../../a", "/", "b/."][random.below(6)];
            model.put(path, Node::Link(target.to_owned()));
            symlink(text(&last), target)
        }
        10..13 => {
            model.white_out(&path);
            file(text(&format!(".wh.{last}")), b"")
        }
        13..15 => {
            model.drop_below(&parent, false);
            file(text(".wh..wh..opq"), b"")
        }
        _ => {
            let target = own_files[random.below(own_files.len())].clone();
            // A link below its own target, or over a folder that holds it, cannot be made.
            if path.starts_with(&target) || target.starts_with(&path) {
                return Some(folder(written.join("/")))
                    .filter(|_| !written.is_empty() && parent == written);
            }
            let node = model.shown.get(&target).cloned()?;
            model.put(path, node);
            hard_link(text(&last), target.join("/"))
        }
    })
}

fn random_stack(seed: u64) -> (Vec<Vec<Item>>, Model) {
    let mut random = Seeded(seed * 0x9e37_79b9 + 1);
    let mut model = Model::default();
    let mut layers = Vec::new();
    for _ in 0..1 + random.below(4) {
        model.mine.clear();
        let mut layer = Vec::new();
        for _ in 0..1 + random.below(14) {
            // An entry that must be refused is taken back; refusals have tests of their own.
            let mut tried = model.clone();
            if let Some(entry) = random_entry(&mut tried, &mut random) {
                model = tried;
                layer.push(entry);
            }
        }
        layers.push(layer);
    }
    (layers, model)
}

/// Layers below one whose root is opaque are left out, as the store does it.
fn visible(layers: &[PathBuf]) -> Vec<PathBuf> {
    let opaque = |layer: &PathBuf| is_opaque(std::fs::File::open(layer).unwrap()).unwrap();
    let end = layers
        .iter()
        .position(opaque)
        .map_or(layers.len(), |at| at + 1);
    layers[..end].to_vec()
}

/// What our own view shows, asked for every path that could be there.
fn viewed(layers: &[PathBuf]) -> BTreeMap<Parts, Node> {
    let view = View::open(layers).unwrap();
    let mut shown = BTreeMap::new();
    let mut todo: Vec<Parts> = vec![vec![]];
    while let Some(path) = todo.pop() {
        for name in ["a", "b", "c"] {
            let mut below = path.clone();
            below.push(name.to_owned());
            let bytes: Vec<Vec<u8>> = below.iter().map(|part| part.as_bytes().to_vec()).collect();
            let Some(found) = view.look(&bytes).unwrap() else {
                continue;
            };
            let node = match found.kind() {
                FileType::Directory => {
                    todo.push(below.clone());
                    Node::Folder
                }
                FileType::Symlink => {
                    let target = rustix::fs::readlinkat(&found.folder, name, Vec::new()).unwrap();
                    Node::Link(target.into_string().unwrap())
                }
                _ => {
                    let image = crate::Image {
                        id: String::new(),
                        layers: layers.to_vec(),
                        config: Default::default(),
                    };
                    let content = crate::files::read_in_image(&image, &below.join("/"))
                        .unwrap()
                        .unwrap();
                    Node::File(String::from_utf8(content).unwrap())
                }
            };
            shown.insert(below, node);
        }
    }
    shown
}

fn walked(root: &Path) -> BTreeMap<Parts, Node> {
    let mut shown = BTreeMap::new();
    let mut todo: Vec<Parts> = vec![vec![]];
    while let Some(path) = todo.pop() {
        for entry in std::fs::read_dir(root.join(path.iter().collect::<PathBuf>())).unwrap() {
            let entry = entry.unwrap();
            let mut below = path.clone();
            below.push(entry.file_name().into_string().unwrap());
            let kind = entry.file_type().unwrap();
            let node = if kind.is_dir() {
                todo.push(below.clone());
                Node::Folder
            } else if kind.is_symlink() {
                Node::Link(
                    std::fs::read_link(entry.path())
                        .unwrap()
                        .into_os_string()
                        .into_string()
                        .unwrap(),
                )
            } else {
                Node::File(std::fs::read_to_string(entry.path()).unwrap())
            };
            shown.insert(below, node);
        }
    }
    shown
}

const CHILD: &str = "OUTRIGGER_TEST_STORM";

#[test]
fn a_thousand_random_stacks_show_what_the_specification_says() {
    let name = "unpack::tests::storm::a_thousand_random_stacks_show_what_the_specification_says";
    if std::env::var_os(CHILD).is_some() {
        return storm(1..1001);
    }
    if !is_root(name) {
        return;
    }
    let place = Folder::new("storms");
    let output = std::process::Command::new("unshare")
        .args(["-m", "--propagation", "private"])
        // Thousands of small trees belong into memory.
        .args([
            "sh",
            "-c",
            "mount -t tmpfs none \"$TMPDIR\" && exec \"$@\"",
            "sh",
        ])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .env("TMPDIR", place.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(told.contains("1 passed"), "{told}");
}

fn storm(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let place = Folder::new("storm");
        let (layers, model) = random_stack(seed);
        let told = || {
            let line = |item: &Item| {
                let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                format!(
                    "  {} {} -> {}\n",
                    char::from(item.flag),
                    name(&item.name),
                    name(&item.link)
                )
            };
            layers
                .iter()
                .map(|layer| layer.iter().map(line).collect::<String>() + "--\n")
                .collect::<String>()
        };
        let unpacked = stack(place.path(), &layers, &Limits::default())
            .unwrap_or_else(|error| panic!("seed {seed}: {error:?}\n{}", told()));
        let unpacked = visible(&unpacked);
        assert_eq!(
            viewed(&unpacked),
            model.shown,
            "our view, seed {seed}\n{}",
            told()
        );
        // A mount costs fifty times what our view does.
        if seed % 10 != 0 {
            continue;
        }
        let (bottom, merged) = (place.path().join("bottom"), place.path().join("merged"));
        std::fs::create_dir(&bottom).unwrap();
        std::fs::create_dir(&merged).unwrap();
        let lower: Vec<_> = unpacked
            .iter()
            .chain([&bottom])
            .map(|layer| layer.display().to_string())
            .collect();
        let options = std::ffi::CString::new(format!("lowerdir={}", lower.join(":"))).unwrap();
        let flags = rustix::mount::MountFlags::RDONLY;
        rustix::mount::mount("overlay", &merged, "overlay", flags, options.as_c_str()).unwrap();
        let walked = walked(&merged);
        rustix::mount::unmount(&merged, rustix::mount::UnmountFlags::empty()).unwrap();
        assert_eq!(
            walked,
            model.shown,
            "the kernel's overlayfs, seed {seed}\n{}",
            told()
        );
    }
}
