//! The tree of a layer made into its fragment. A layer of millions of files must not be there twice: the tree is taken
//! apart on the way.

use std::collections::BTreeMap;

use super::{
    Directory, FileFact, Fragment, Unread,
    builder::Contents,
    fragment,
    path::{escape, into_escaped},
    tree::{Node, ROOT, Tree},
};
use crate::{
    digest::Digest,
    package::{self, Owned},
};

/// The fragment of a tree; of the file with the number `N`, `contents[N]` was learnt.
pub(super) fn fragment(
    mut tree: Tree<'_>,
    contents: Vec<Contents>,
    analyzer: String,
    diff_id: Digest,
    size_bytes: u64,
) -> Fragment {
    let mut names: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let mut files = 0;
    let directories = directories(&mut tree, &mut |number, path| {
        files += 1;
        if (number as usize) < contents.len() {
            names.entry(number).or_default().push(escape(path));
        }
    });
    drop(tree);
    let mut told = Vec::new();
    let mut unread = Vec::new();
    for (number, contents) in contents.into_iter().enumerate() {
        let Some(mut paths) = u32::try_from(number).ok().and_then(|number| names.remove(&number)) else {
            continue; // replaced by a later entry
        };
        paths.sort_unstable();
        match contents {
            Contents::Plain => {}
            Contents::Fact(fact) => told.push((paths, Ok(fact))),
            Contents::Unread { why, anywhere } => unread.push(Unread { paths, why, anywhere }),
        }
    }
    package::settle(&mut told);
    let mut facts = Vec::new();
    let mut owned = Owned::default();
    for (paths, fact) in told {
        match fact {
            Ok(mut fact) => {
                owned.append(fact.take_owned());
                if !fact.is_told() {
                    facts.push(FileFact { paths, owner: None, fact });
                }
            }
            Err(why) => unread.push(Unread { paths, why, anywhere: false }),
        }
    }
    for fact in &mut facts {
        fact.owner = fact.paths.iter().find_map(|path| owned.owner(path)).map(str::to_owned);
    }
    facts.sort_by(|a, b| a.paths.cmp(&b.paths));
    unread.sort_unstable();
    Fragment { schema: fragment::SCHEMA, analyzer, diff_id, files, size_bytes, directories, facts, unread }
}

/// The entries of a tree, by directory, sorted by path; `file` gets the number and the path of each file.
fn directories(tree: &mut Tree<'_>, file: &mut dyn FnMut(u32, &[u8])) -> Vec<Directory> {
    let mut found = vec![Directory::default()];
    let mut path = Vec::new();
    // Of each directory on the way: which of `found`, the length of its path, what of it is still to come.
    let mut open = vec![(0, 0, tree.take_children(ROOT).into_iter())];
    while let Some((index, length, children)) = open.last_mut() {
        let Some((name, id)) = children.next() else {
            open.pop();
            continue;
        };
        path.truncate(*length);
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(&name);
        if let Node::Directory(directory) = tree.node(id) {
            found.push(Directory { path: escape(&path), opaque: directory.opaque, ..Directory::default() });
            let last = found.len() - 1;
            open.push((last, path.len(), tree.take_children(id).into_iter()));
            continue;
        }
        let directory = &mut found[*index];
        let name = into_escaped(name.into());
        match tree.node(id) {
            Node::File(number) => {
                file(*number, &path);
                directory.files.push(name);
            }
            Node::Link(target) => {
                directory.links.insert(name, escape(target));
            }
            Node::HardLink(target) => {
                directory.hard_links.insert(name, escape(target));
            }
            Node::Device => directory.devices.push(name),
            Node::Whiteout => directory.whiteouts.push(name),
            Node::Directory(_) | Node::Gone => {}
        }
    }
    for directory in &mut found {
        // In the order of the text, which a merge searches in.
        directory.files.sort_unstable();
        directory.devices.sort_unstable();
        directory.whiteouts.sort_unstable();
    }
    found
}
