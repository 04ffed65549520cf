// The peers of npm, each in a process of its own: node peers.mjs merkletreejs|openzeppelin|chainsafe
// The same line protocol as contender.py; leaves are 112 bytes, made before the clock starts.
import { createInterface } from "node:readline";
import { createCipheriv } from "node:crypto";

const QUERIES = 500;
const LEAF_BYTES = 112;

function octets(n) {
  return createCipheriv("aes-128-ctr", Buffer.alloc(16, 1), Buffer.alloc(16)).update(Buffer.alloc(n));
}

function inputs(n) {
  const all = octets(n * LEAF_BYTES);
  return Array.from({ length: n }, (_, at) => all.subarray(at * LEAF_BYTES, (at + 1) * LEAF_BYTES));
}

function queries(n) {
  const drawn = octets(4 * QUERIES);
  return Array.from({ length: QUERIES }, (_, at) => drawn.readUInt32LE(4 * at) % n);
}

function altered(data) {
  const other = Uint8Array.from(data);
  other[0] ^= 1;
  return other;
}

function required(holds, what) {
  if (!holds) throw new Error(`this contender ${what}`);
}

async function merkletreejs() {
  const { MerkleTree } = await import("merkletreejs");
  const { keccak256 } = await import("ethereum-cryptography/keccak.js");
  const hash = (data) => Buffer.from(keccak256(data));
  const build = (data) => new MerkleTree(data, hash, { hashLeaves: true });
  return {
    merkle: (data) => ({ items: data.length, run: () => build(data).getRoot() }),
    proofs: (data) => {
      const tree = build(data);
      const asked = queries(data.length).map((index) => [tree.getLeaf(index), index]);
      return { items: QUERIES, run: () => asked.map(([leaf, index]) => tree.getProof(leaf, index)) };
    },
    verify: (data) => {
      const tree = build(data);
      const root = tree.getRoot();
      const known = queries(data.length).map((index) => {
        const leaf = tree.getLeaf(index);
        return [tree.getProof(leaf, index), leaf];
      });
      required(!tree.verify(known[0][0], Buffer.from(altered(known[0][1])), root), "takes an altered leaf");
      return {
        items: QUERIES,
        run: () => known.forEach(([proof, leaf]) => required(tree.verify(proof, leaf, root), "refuses its own proof")),
      };
    },
  };
}

async function openzeppelin() {
  const { SimpleMerkleTree } = await import("@openzeppelin/merkle-tree");
  const { keccak256 } = await import("ethereum-cryptography/keccak.js");
  const build = (data) => SimpleMerkleTree.of(data.map(keccak256), { sortLeaves: false });
  return {
    merkle: (data) => ({ items: data.length, run: () => build(data).root }),
    proofs: (data) => {
      const tree = build(data);
      const asked = queries(data.length);
      return { items: QUERIES, run: () => asked.map((index) => tree.getProof(index)) };
    },
    verify: (data) => {
      const tree = build(data);
      const known = queries(data.length).map((index) => [tree.at(index), tree.getProof(index)]);
      const verify = (leaf, proof) => SimpleMerkleTree.verify(tree.root, leaf, proof);
      required(!verify(altered(Buffer.from(known[0][0].slice(2), "hex")), known[0][1]), "takes an altered leaf");
      return {
        items: QUERIES,
        run: () => known.forEach(([leaf, proof]) => required(verify(leaf, proof), "refuses its own proof")),
      };
    },
  };
}

async function chainsafe() {
  const { hasher: best } = await import("@chainsafe/persistent-merkle-tree/hasher/as-sha256");
  const library = await import("@chainsafe/persistent-merkle-tree");
  library.setHasher(best);
  const { createHash } = await import("node:crypto");
  const { LeafNode, ProofType, createNodeFromProof, createProof, subtreeFillToContents, toGindex } = library;
  const depthOf = (n) => Math.ceil(Math.log2(n));
  const leafOf = (data) => LeafNode.fromRoot(createHash("sha256").update(data).digest());
  const build = (data) => {
    const tree = subtreeFillToContents(data.map(leafOf), depthOf(data.length));
    tree.root; // hashes are made when they are first asked for
    return tree;
  };
  const gindex = (n, index) => toGindex(depthOf(n), BigInt(index));
  return {
    merkle: (data) => ({ items: data.length, run: () => build(data) }),
    proofs: (data) => {
      const tree = build(data);
      const asked = queries(data.length).map((index) => gindex(data.length, index));
      return { items: QUERIES, run: () => asked.map((place) => createProof(tree, { type: ProofType.single, gindex: place })) };
    },
    verify: (data) => {
      const tree = build(data);
      const known = queries(data.length).map((index) => {
        return createProof(tree, { type: ProofType.single, gindex: gindex(data.length, index) });
      });
      const holds = (proof) => Buffer.compare(createNodeFromProof(proof).root, tree.root) === 0;
      required(!holds({ ...known[0], leaf: altered(known[0].leaf) }), "takes an altered leaf");
      return {
        items: QUERIES,
        run: () => known.forEach((proof) => required(holds(proof), "refuses its own proof")),
      };
    },
  };
}

const works = await { merkletreejs, openzeppelin, chainsafe }[process.argv[2]]();
const SHORT_S = 1; // as in contender.py: a run that takes less is done once before the clock starts
let work;
let lastWall = SHORT_S;
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  let answer = { ready: true };
  if (asked.op === "prepare") {
    work = works[asked.work](inputs(asked.n));
  } else {
    if (lastWall < SHORT_S) {
      work.run();
    }
    globalThis.gc?.();
    const cpu = process.cpuUsage();
    const begun = process.hrtime.bigint();
    const result = work.run();
    const wall = Number(process.hrtime.bigint() - begun) / 1e9;
    const used = process.cpuUsage(cpu);
    lastWall = wall;
    answer = { wall_s: wall, cpu_s: (used.user + used.system) / 1e6, items: work.items, check: "", kept: Boolean(result) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
