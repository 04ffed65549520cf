//! Growing trees, in memory and in a file, against trees built at once.

mod support;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use support::{Columns, Random};
use wattest_core::{batch, growing::Growing, keccak, shares::Leaves, stored, stored::Stored, tree, Fault, Hash, Simd};

/// Leaves `from..` of columns.
struct Tail<'a>(tree::Flat<'a>, usize);

impl Leaves for Tail<'_> {
    fn hash(&self, from: usize, out: &mut [Hash]) -> Result<(), Fault> {
        self.0.hash(self.1 + from, out)
    }
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("wattest-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("tree")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn prefix(columns: &Columns, size: usize) -> Columns {
    let payloads = columns.payloads[..size * columns.width].to_vec();
    Columns { payloads, width: columns.width, salts: columns.salts[..size].to_vec() }
}

fn paths(nodes: &[Hash], size: u64, indices: &[u64]) -> Vec<Hash> {
    let count = usize::try_from(batch::node_count(indices, size).expect("inside")).expect("small");
    let mut out = vec![[0; 32]; count];
    batch::paths(nodes, size, indices, &mut out).expect("a tree");
    out
}

#[test]
fn every_size_on_the_way_is_the_tree_of_that_size() {
    let mut random = Random(7);
    let columns = Columns::random(&mut random, 24, 140);
    for simd in Simd::available() {
        let mut growing = Growing::default();
        assert_eq!(growing.edge().map(|edge| edge.root()), Err(Fault::EmptyTree));
        let mut size = 0;
        while size < 140 {
            let more = (1 + random.below(9)).min(140 - size);
            growing.append(simd, &Tail(columns.flat(simd), size), more as u64, 1).expect("room");
            size += more;
            let whole = prefix(&columns, size).nodes();
            assert_eq!(growing.edge().expect("leaves").root(), whole[whole.len() - 1], "size {size}");
            let indices = (0..size as u64).collect::<Vec<_>>();
            assert_eq!(growing.paths(&indices).expect("paths"), paths(&whole, size as u64, &indices), "size {size}");
            assert_eq!(growing.leaves(&indices).expect("leaves"), whole[..size]);
        }
    }
}

#[test]
fn pieces_are_no_different() {
    let mut random = Random(8);
    let columns = Columns::random(&mut random, 24, 9001);
    let whole = columns.nodes();
    let simd = Simd::best();
    let mut growing = Growing::default();
    growing.append(simd, &Tail(columns.flat(simd), 0), 4999, 2).expect("room");
    growing.append(simd, &Tail(columns.flat(simd), 4999), 0, 2).expect("nothing");
    growing.append(simd, &Tail(columns.flat(simd), 4999), 9001 - 4999, 3).expect("room");
    assert_eq!(growing.edge().expect("leaves").root(), whole[whole.len() - 1]);
    // A refused append leaves the tree as it was.
    assert!(growing.append(simd, &Tail(columns.flat(simd), 0), 9002, 2).is_err());
    assert_eq!((growing.size(), growing.edge().expect("leaves").root()), (9001, whole[whole.len() - 1]));
    let refused = growing.append(simd, &Tail(columns.flat(simd), 0), wattest_core::SIZE_MAX, 2);
    assert_eq!(refused.expect_err("too many").name(), "TreeTooLarge");
}

#[test]
fn a_stored_tree_is_found_again_and_goes_on() {
    let folder = Folder::new("again");
    let mut random = Random(9);
    let columns = Columns::random(&mut random, 24, 700);
    let (whole, simd) = (columns.nodes(), Simd::best());
    let mut made = Stored::create(&folder.file()).expect("a new file");
    assert_eq!(fs::read_dir(&folder.0).expect("a folder").count(), 1);
    assert_eq!(Stored::create(&folder.file()).expect_err("it exists"), Fault::StoredTreeExists);
    assert_eq!(Stored::open(&folder.file(), true).expect_err("it is held"), Fault::StoredTreeBusy);
    assert_eq!(Stored::open(&folder.file(), false).expect("an empty tree").size(), 0);
    made.append(simd, &Tail(columns.flat(simd), 0), 300, 1).expect("room");
    made.commit().expect("a disk");
    made.append(simd, &Tail(columns.flat(simd), 300), 111, 1).expect("room");
    assert_eq!((made.size(), made.committed_size()), (411, 300));
    drop(made);

    let mut again = Stored::open(&folder.file(), true).expect("a tree");
    assert_eq!((again.size(), again.committed_size()), (300, 300));
    again.append(simd, &Tail(columns.flat(simd), 300), 400, 2).expect("room");
    again.commit().expect("a disk");
    drop(again);
    let mut reader = Stored::open(&folder.file(), false).expect("a tree");
    let indices = (0..500).map(|_| random.next() % 700).collect::<Vec<_>>();
    let (leaves, nodes) = reader.prove(simd, &indices).expect("proofs");
    assert_eq!(nodes, paths(&whole, 700, &indices));
    assert_eq!(leaves, indices.iter().map(|&at| whole[usize::try_from(at).expect("small")]).collect::<Vec<_>>());
    assert_eq!(reader.append(simd, &columns.flat(simd), 1, 1), Err(Fault::StoredTreeReadOnly));
    assert_eq!(reader.commit(), Err(Fault::StoredTreeReadOnly));
    assert_eq!(reader.prove(simd, &[700]).expect_err("outside").name(), "IndexOutOfRange");
}

#[test]
fn truncated_and_altered_files_are_refused() {
    let folder = Folder::new("altered");
    let columns = Columns::random(&mut Random(10), 24, 77);
    let (simd, nodes) = (Simd::best(), columns.nodes());
    let mut made = Stored::create(&folder.file()).expect("a new file");
    made.append(simd, &columns.flat(simd), 77, 1).expect("room");
    made.commit().expect("a disk");
    drop(made);
    let good = fs::read(folder.file()).expect("the file");
    let everything = (0..77).collect::<Vec<u64>>();
    let judge = |bytes: &[u8]| {
        fs::write(folder.file(), bytes).expect("a disk");
        let opened = Stored::open(&folder.file(), false).and_then(|stored| {
            let (root, size) = (stored.edge().map(|edge| edge.root()), stored.size());
            stored.prove(simd, &everything[..usize::try_from(size).expect("small")])?;
            Ok((root?, size))
        });
        opened.map_err(|fault| fault.name())
    };
    assert_eq!(judge(&good), Ok((nodes[nodes.len() - 1], 77)));
    for length in (0..good.len()).step_by(97) {
        let refused = judge(&good[..length]).expect_err("cut short");
        assert_eq!(refused, "StoredTreeTruncated", "{length}");
    }
    let nodes_at = usize::try_from(stored::NODES_AT).expect("small");
    for at in (nodes_at..good.len()).step_by(31) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        assert_eq!(judge(&bad), Err("StoredTreeAltered"), "{at}");
    }
    // The newest header damaged: the file is what it was before that commit, here an empty tree.
    for at in 4096..4096 + 104 {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert_eq!(judge(&bad), Err("EmptyTree"), "{at}");
    }
    let mut bad = good.clone();
    bad[..8192].fill(0);
    assert_eq!(judge(&bad), Err("StoredTreeMalformed"));
    let mut longer = good.clone();
    longer.extend([7; 1000]);
    assert_eq!(judge(&longer), Ok((nodes[nodes.len() - 1], 77)));
}

#[test]
fn a_file_changed_while_open_is_refused_and_harms_nobody() {
    let folder = Folder::new("changed");
    let columns = Columns::random(&mut Random(11), 24, 5000);
    let simd = Simd::best();
    let mut made = Stored::create(&folder.file()).expect("a new file");
    made.append(simd, &columns.flat(simd), 5000, 2).expect("room");
    made.commit().expect("a disk");
    assert!(made.prove(simd, &[4000]).is_ok());
    let file = OpenOptions::new().write(true).open(folder.file()).expect("the file");
    file.write_all_at(&[1; 4096], stored::NODES_AT + 32 * 7999).expect("a disk");
    assert_eq!(made.prove(simd, &[4000]).expect_err("altered").name(), "StoredTreeAltered");
    file.set_len(stored::NODES_AT).expect("a disk");
    assert_eq!(made.prove(simd, &[0]).expect_err("cut short").name(), "StoredTreeMalformed");
}

#[test]
fn the_header_is_as_written_down() {
    let folder = Folder::new("header");
    let columns = Columns::random(&mut Random(12), 24, 3);
    let simd = Simd::best();
    let mut made = Stored::create(&folder.file()).expect("a new file");
    made.append(simd, &columns.flat(simd), 3, 1).expect("room");
    made.commit().expect("a disk");
    let (bytes, nodes) = (fs::read(folder.file()).expect("the file"), columns.nodes());
    let mut header = b"wattest-tree\0\0\0\0\x01\x01\0\0\0\0\0\x20".to_vec();
    header.extend(1u64.to_be_bytes());
    header.extend(3u64.to_be_bytes());
    header.extend(nodes[nodes.len() - 1]);
    let digest = keccak::keccak256(&header);
    header.extend(digest);
    assert_eq!(bytes[4096..4096 + 104], header);
    // Leaves 0 and 1, their parent, leaf 2: post-order.
    assert_eq!(bytes[8192..], [nodes[0], nodes[1], nodes[3], nodes[2]].concat());
}
