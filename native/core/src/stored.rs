//! A growing tree in a file (docs/spec/stored-tree.md): larger than memory, read only where a proof needs it.
//!
//! Decided here: the file's bytes, how a size becomes durable, and that every proof is checked against the root before
//! it is handed out, so that an altered node is never passed on. Nodes are read by position and not through a mapping:
//! a file cut short under a mapping would end the process. Files are written by one process at a time, read by any.

use crate::frontier::{self, Edge, Frontier};
use crate::groups::{self, Groups};
use crate::keccak::{keccak256, Keccak};
use crate::pieces::{self, Appending};
use crate::shares::Leaves;
use crate::{batch, Fault, Hash, Simd, SIZE_MAX};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The first bytes of each header.
pub const MAGIC: [u8; 16] = *b"wattest-tree\0\0\0\0";

/// Where nodes begin: after two headers of a page each.
pub const NODES_AT: u64 = 8192;

const HEADER_EVERY: u64 = 4096;
const HEADER_BYTES: usize = 104;
const VERSION: u8 = 1;
const RULE_SALTED_KECCAK: u8 = 1;
const PAGE: usize = 4096;

/// Pages kept while one batch of proofs is read: 16 MiB.
const PAGES_KEPT: usize = 4096;

/// A tree in a file.
#[derive(Debug)]
pub struct Stored {
    file: File,
    frontier: Frontier,
    committed: Header,
    writable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    sequence: u64,
    size: u64,
    root: Hash,
}

impl Stored {
    /// A new, empty tree in a new file, opened for writing.
    pub fn create(path: &Path) -> Result<Self, Fault> {
        let (fresh, file) = beside(path)?;
        let empty = Header { sequence: 0, size: 0, root: [0; 32] };
        // Whole and durable under a name of its own before anybody can find it; linking refuses to replace.
        let written = file.set_len(NODES_AT).and_then(|()| file.write_all_at(&empty.pack(), 0));
        let linked = written.and_then(|()| file.sync_all()).and_then(|()| fs::hard_link(&fresh, path));
        let removed = fs::remove_file(&fresh);
        linked.and(removed).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Fault::StoredTreeExists,
            _ => failed(&error),
        })?;
        lock(&file)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed(&error))?;
        Ok(Self { file, frontier: Frontier::default(), committed: empty, writable: true })
    }

    /// The tree in an existing file, as it was last committed.
    pub fn open(path: &Path, writable: bool) -> Result<Self, Fault> {
        // Opening a pipe would wait for whoever writes to it.
        if !fs::metadata(path).map_err(|error| failed(&error))?.is_file() {
            return Err(Fault::StoredTreeMalformed { what: "it is no regular file" });
        }
        let file = OpenOptions::new().read(true).write(writable).open(path).map_err(|error| failed(&error))?;
        if writable {
            lock(&file)?;
        }
        let length = file.metadata().map_err(|error| failed(&error))?.len();
        let short = |expected| Fault::StoredTreeTruncated { expected, actual: length };
        if length < NODES_AT {
            return Err(short(NODES_AT));
        }
        let mut headers = [[0; HEADER_BYTES]; 2];
        for (header, at) in headers.iter_mut().zip([0, HEADER_EVERY]) {
            file.read_exact_at(header, at).map_err(|error| failed(&error))?;
        }
        let committed = newest(&headers)?;
        let expected = NODES_AT + 32 * frontier::node_count(committed.size);
        if length < expected {
            return Err(short(expected));
        }
        let frontier = Frontier::restore(committed.size, |place| read_node(&file, place))?;
        let stored = Self { file, frontier, committed, writable };
        if committed.size > 0 {
            stored.edge()?;
        }
        Ok(stored)
    }

    /// Leaves so far, committed or not.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Leaves that a crash would leave.
    pub fn committed_size(&self) -> u64 {
        self.committed.size
    }

    /// The root and the right edge; refuses peaks that are not those of the committed root.
    pub fn edge(&self) -> Result<Edge, Fault> {
        let edge = self.frontier.edge(&Keccak::ONE_BY_ONE)?;
        if edge.size() == self.committed.size && edge.root() != self.committed.root {
            return Err(Fault::StoredTreeAltered { expected: self.committed.root, actual: edge.root() });
        }
        Ok(edge)
    }

    /// Writes `count` leaves and the nodes they complete, hashed by at most `threads` threads; `commit` makes them durable.
    pub fn append(&mut self, simd: Simd, leaves: &impl Leaves, count: u64, threads: usize) -> Result<(), Fault> {
        self.check_writable()?;
        let mut next = self.frontier.clone();
        let mut at = NODES_AT + 32 * frontier::node_count(next.size());
        let file = &self.file;
        pieces::append(&mut next, &Appending { simd, leaves, count, threads }, |made| {
            file.write_all_at(made.as_flattened(), at).map_err(|error| failed(&error))?;
            at += 32 * made.len() as u64;
            Ok(())
        })?;
        // Nodes of a failed append stand beyond the end and are written over by the next.
        self.frontier = next;
        Ok(())
    }

    /// Makes everything appended durable: nodes first, then the other of the two headers.
    pub fn commit(&mut self) -> Result<(), Fault> {
        self.check_writable()?;
        if self.size() == self.committed.size {
            return Ok(());
        }
        let header = Header {
            sequence: self.committed.sequence + 1,
            size: self.size(),
            root: self.frontier.edge(&Keccak::ONE_BY_ONE)?.root(),
        };
        let written = self.file.sync_data();
        let written = written.and_then(|()| self.file.write_all_at(&header.pack(), header.at()));
        written.and_then(|()| self.file.sync_data()).map_err(|error| failed(&error))?;
        self.committed = header;
        Ok(())
    }

    /// Leaves and their paths, one after the other, each checked against the root.
    pub fn prove(&self, simd: Simd, indices: &[u64]) -> Result<(Vec<Hash>, Vec<Hash>), Fault> {
        let edge = self.edge()?;
        let count = batch::node_count(indices, edge.size())?;
        let (mut leaves, mut nodes) = (Vec::with_capacity(indices.len()), Vec::new());
        nodes.try_reserve(usize::try_from(count).unwrap_or(0)).map_err(|_| Fault::OutOfMemory { bytes: 32 * count })?;
        let mut pages = Pages::new(self, &edge);
        for &index in indices {
            leaves.push(pages.read(frontier::place(0, index))?);
            edge.path(index, |place| pages.read(place), &mut nodes)?;
        }
        batch::verify(simd, &edge.root(), edge.size(), indices, &leaves, &nodes, 1).map_err(altered)?;
        Ok((leaves, nodes))
    }

    /// The leaves of groups and their multiproofs, one after the other, each checked against the root.
    pub fn prove_groups(&self, simd: Simd, groups: Groups<'_>) -> Result<(Vec<Hash>, Vec<Hash>), Fault> {
        let edge = self.edge()?;
        let mut nodes = batch::room(groups::node_count(groups, edge.size())?)?;
        let mut leaves = Vec::with_capacity(groups.indices().len());
        let mut pages = Pages::new(self, &edge);
        for &index in groups.indices() {
            leaves.push(pages.read(frontier::place(0, index))?);
        }
        let read = |level, position| edge.node(level, position, |place| pages.read(place));
        groups::nodes(groups, edge.size(), read, &mut nodes)?;
        groups::verify(simd, &edge.root(), edge.size(), groups, &leaves, &nodes, 1).map_err(altered)?;
        Ok((leaves, nodes))
    }

    fn check_writable(&self) -> Result<(), Fault> {
        if self.writable {
            Ok(())
        } else {
            Err(Fault::StoredTreeReadOnly)
        }
    }
}

impl Header {
    /// Where it stands: even and odd sequences take turns, so that one whole header survives a torn write.
    fn at(self) -> u64 {
        (self.sequence & 1) * HEADER_EVERY
    }

    fn pack(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..16].copy_from_slice(&MAGIC);
        bytes[16..24].copy_from_slice(&[VERSION, RULE_SALTED_KECCAK, 0, 0, 0, 0, 0, 32]);
        bytes[24..32].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[32..40].copy_from_slice(&self.size.to_be_bytes());
        bytes[40..72].copy_from_slice(&self.root);
        let digest = keccak256(&bytes[..72]);
        bytes[72..].copy_from_slice(&digest);
        bytes
    }

    /// The header in these bytes, if they are one; `slot` is where they stood.
    fn parse(bytes: &[u8; HEADER_BYTES], slot: u64) -> Result<Self, Fault> {
        let refuse = |what| Err(Fault::StoredTreeMalformed { what });
        if bytes[..16] != MAGIC {
            return refuse("the file does not begin as one");
        }
        if bytes[16] != VERSION {
            return refuse("its version is not 1");
        }
        let mut root = [0; 32];
        root.copy_from_slice(&bytes[40..72]);
        let header = Self { sequence: number(&bytes[24..32]), size: number(&bytes[32..40]), root };
        if header.pack() != *bytes || header.sequence & 1 != slot {
            return refuse("its header is damaged");
        }
        if header.size > SIZE_MAX || (header.size == 0 && header.sequence != 0) {
            return refuse("its header gives a size that no tree has");
        }
        Ok(header)
    }
}

/// The later of the two headers; a damaged one counts as not written.
fn newest(headers: &[[u8; HEADER_BYTES]; 2]) -> Result<Header, Fault> {
    match (Header::parse(&headers[0], 0), Header::parse(&headers[1], 1)) {
        (Ok(even), Ok(odd)) => Ok(if odd.sequence > even.sequence { odd } else { even }),
        (Ok(header), Err(_)) | (Err(_), Ok(header)) => Ok(header),
        (Err(fault), Err(_)) => Err(fault),
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn read_node(file: &File, place: u64) -> Result<Hash, Fault> {
    let mut node = [0; 32];
    file.read_exact_at(&mut node, NODES_AT + 32 * place).map_err(|error| failed(&error))?;
    Ok(node)
}

/// The refusal of proofs that were read from a file: what does not lead to its root was altered.
fn altered(fault: Fault) -> Fault {
    match fault {
        Fault::OfProof { fault, .. } => altered(*fault),
        Fault::RootMismatch { expected, actual } => Fault::StoredTreeAltered { expected, actual },
        other => other,
    }
}

/// The pages that one batch of proofs has read.
struct Pages<'a> {
    file: &'a File,
    end: u64,
    kept: HashMap<u64, Vec<u8>>,
}

impl<'a> Pages<'a> {
    fn new(stored: &'a Stored, edge: &Edge) -> Self {
        Self { file: &stored.file, end: frontier::node_count(edge.size()), kept: HashMap::new() }
    }

    fn read(&mut self, place: u64) -> Result<Hash, Fault> {
        const NODES: u64 = PAGE as u64 / 32;
        let page = place / NODES;
        if self.kept.len() >= PAGES_KEPT && !self.kept.contains_key(&page) {
            self.kept.clear();
        }
        let bytes = match self.kept.entry(page) {
            std::collections::hash_map::Entry::Occupied(kept) => kept.into_mut(),
            std::collections::hash_map::Entry::Vacant(vacant) => {
                let nodes = self.end.saturating_sub(page * NODES).min(NODES);
                let mut bytes = vec![0; usize::try_from(32 * nodes).unwrap_or(PAGE)];
                let read = self.file.read_exact_at(&mut bytes, NODES_AT + page * PAGE as u64);
                read.map_err(|error| failed(&error))?;
                vacant.insert(bytes)
            }
        };
        let at = usize::try_from(place % NODES).unwrap_or(0);
        let node = bytes.as_chunks::<32>().0.get(at).copied();
        node.ok_or(Fault::IndexOutOfRange { index: place, size: self.end })
    }
}

/// A new file beside the one that is to be, under a name that nobody has.
fn beside(path: &Path) -> Result<(PathBuf, File), Fault> {
    let name = path.file_name().ok_or_else(|| failed(&ErrorKind::InvalidInput.into()))?;
    let mut refused = ErrorKind::AlreadyExists.into();
    for attempt in 0..100 {
        let mut fresh = name.to_owned();
        fresh.push(format!(".new-{}-{attempt}", std::process::id()));
        let fresh = path.with_file_name(fresh);
        match OpenOptions::new().read(true).write(true).create_new(true).open(&fresh) {
            Ok(file) => return Ok((fresh, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => refused = error,
            Err(error) => return Err(failed(&error)),
        }
    }
    Err(failed(&refused))
}

/// One writer at a time; the lock goes with the file.
fn lock(file: &File) -> Result<(), Fault> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => Fault::StoredTreeBusy,
        TryLockError::Error(error) => failed(&error),
    })
}

fn failed(error: &io::Error) -> Fault {
    match error.kind() {
        ErrorKind::UnexpectedEof => Fault::StoredTreeMalformed { what: "its file ends too early" },
        _ => Fault::StorageFailed { reason: error.to_string() },
    }
}
