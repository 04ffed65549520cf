// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleRfc9162} from "../src/lib/MerkleRfc9162.sol";
import {Tree} from "./support/Tree.sol";
import {vm} from "./support/Vm.sol";

/// @notice Cheatcodes that only this test needs.
interface VmTypedJson {
    function parseJsonTypeArray(string calldata json, string calldata key, string calldata typeDescription)
        external
        pure
        returns (bytes memory);
    function envOr(string calldata name, string calldata otherwise) external view returns (string memory);
    function assertEq(string calldata left, string calldata right, string calldata reason) external pure;
}

/// @notice The library's internal functions as calls, so that a revert can be caught and calldata is calldata.
contract MerkleHarness {
    function leafHash(bytes16 salt, bytes calldata payload) external pure returns (bytes32) {
        return MerkleRfc9162.leafHash(salt, payload);
    }

    function verifyInclusion(bytes32 root, bytes32 leaf, uint32 index, uint32 size, bytes32[] calldata path)
        external
        pure
    {
        MerkleRfc9162.verifyInclusion(root, leaf, index, size, path);
    }

    function verifyMultiproof(
        bytes32 root,
        uint32 size,
        uint32[] calldata indices,
        bytes32[] calldata leaves,
        bytes32[] calldata nodes
    ) external pure {
        MerkleRfc9162.verifyMultiproof(root, size, indices, leaves, nodes);
    }
}

struct LeafCase {
    bytes32 leaf;
    string name;
    string outcome;
    string payload;
    bytes16 salt;
}

struct InclusionCase {
    uint32 index;
    bytes32 leaf;
    string name;
    string outcome;
    bytes32[] path;
    bytes32 root;
    uint32 size;
}

struct MultiproofCase {
    uint32[] indices;
    bytes32[] leaves;
    string name;
    bytes32[] nodes;
    string outcome;
    bytes32 root;
    uint32 size;
}

/// @notice The shared vectors, and fuzzing against the recursive definitions of the RFC. WATTEST_MERKLE_VECTORS names
/// another folder of the same files: so the differential test in Python asks this contract about its random cases.
contract MerkleRfc9162Test {
    VmTypedJson private constant JSON = VmTypedJson(address(vm));
    string private constant LEAF = "LeafCase(bytes32 leaf,string name,string outcome,string payload,bytes16 salt)";
    string private constant INCLUSION =
        "InclusionCase(uint32 index,bytes32 leaf,string name,string outcome,bytes32[] path,bytes32 root,uint32 size)";
    string private constant MULTIPROOF = "MultiproofCase(uint32[] indices,bytes32[] leaves,string name,bytes32[] nodes,"
        "string outcome,bytes32 root,uint32 size)";

    MerkleHarness private harness;

    function setUp() public {
        harness = new MerkleHarness();
    }

    function test_VectorsOfLeaves() public view {
        LeafCase[] memory cases = abi.decode(read("leaves.json", LEAF), (LeafCase[]));
        vm.assertGt(cases.length, 0);
        for (uint256 i = 0; i < cases.length; ++i) {
            try harness.leafHash(cases[i].salt, vm.parseBytes(string.concat("0x", cases[i].payload))) returns (
                bytes32 leaf
            ) {
                JSON.assertEq("accepted", cases[i].outcome, cases[i].name);
                vm.assertEq(leaf, cases[i].leaf, cases[i].name);
            } catch (bytes memory reason) {
                JSON.assertEq(nameOf(reason), cases[i].outcome, cases[i].name);
            }
        }
    }

    function test_VectorsOfInclusion() public view {
        checkInclusion(read("inclusion.json", INCLUSION), 1);
    }

    function test_VectorsOfMultiproofs() public view {
        checkMultiproofs(read("multiproof.json", MULTIPROOF), 1);
    }

    /// @notice Proofs that hold, each corrupted in every way that we know.
    function test_ProbesOfInclusion() public view {
        string memory json = vm.readFile("../vectors/merkle/probes.json");
        checkInclusion(JSON.parseJsonTypeArray(json, ".cases", INCLUSION), 700);
    }

    function test_ProbesOfMultiproofs() public view {
        string memory json = vm.readFile("../vectors/merkle/multiproof_probes.json");
        checkMultiproofs(JSON.parseJsonTypeArray(json, ".cases", MULTIPROOF), 250);
    }

    /// @notice Every leaf proves at its place and at no other, whatever the tree.
    function testFuzz_LeafProvesOnlyWhereItStands(uint256 seed, uint8 sizeSeed, uint8 indexSeed, uint8 otherSeed)
        public
        view
    {
        uint32 size = uint32(within(sizeSeed, 1, 40));
        uint32 index = uint32(within(indexSeed, 0, size - 1));
        uint32 other = uint32(within(otherSeed, 0, size));
        bytes32[] memory leaves = draw(seed, size);
        bytes32[] memory path = Tree.path(leaves, index);
        bytes32 root = Tree.root(leaves);

        JSON.assertEq(judge(root, leaves[index], index, size, path), "accepted", "its own place");
        if (other != index) {
            vm.assertTrue(!same(judge(root, leaves[index], other, size, path), "accepted"), "another place");
        }
    }

    /// @notice No single changed bit of leaf, root or path is accepted, nor a node more or less.
    function testFuzz_ChangedProofIsRefused(uint256 seed, uint8 sizeSeed, uint8 indexSeed, uint256 bit) public view {
        uint32 size = uint32(within(sizeSeed, 2, 40));
        uint32 index = uint32(within(indexSeed, 0, size - 1));
        bytes32[] memory leaves = draw(seed, size);
        bytes32[] memory path = Tree.path(leaves, index);
        bytes32 root = Tree.root(leaves);
        bytes32 flip = bytes32(uint256(1) << (bit % 256));

        JSON.assertEq(judge(root ^ flip, leaves[index], index, size, path), "RootMismatch", "root");
        JSON.assertEq(judge(root, leaves[index] ^ flip, index, size, path), "RootMismatch", "leaf");
        uint256 place = (bit >> 8) % path.length;
        path[place] ^= flip;
        JSON.assertEq(judge(root, leaves[index], index, size, path), "RootMismatch", "node");
        path[place] ^= flip;
        JSON.assertEq(judge(root, leaves[index], index, size, resized(path, path.length - 1)), "PathLengthWrong", "-1");
        JSON.assertEq(judge(root, leaves[index], index, size, resized(path, path.length + 1)), "PathLengthWrong", "+1");
    }

    /// @notice A multiproof of one leaf is its inclusion path; one of all leaves has no nodes.
    function testFuzz_MultiproofAtItsEnds(uint256 seed, uint8 sizeSeed, uint8 indexSeed) public view {
        uint32 size = uint32(within(sizeSeed, 1, 40));
        uint32 index = uint32(within(indexSeed, 0, size - 1));
        bytes32[] memory leaves = draw(seed, size);
        bytes32 root = Tree.root(leaves);

        uint32[] memory one = new uint32[](1);
        one[0] = index;
        bytes32[] memory leaf = new bytes32[](1);
        leaf[0] = leaves[index];
        JSON.assertEq(judgeMany(root, size, one, leaf, Tree.path(leaves, index)), "accepted", "one");

        uint32[] memory all = new uint32[](size);
        for (uint32 i = 0; i < size; ++i) {
            all[i] = i;
        }
        JSON.assertEq(judgeMany(root, size, all, leaves, new bytes32[](0)), "accepted", "all");
        JSON.assertEq(judgeMany(root, size, all, leaves, new bytes32[](1)), "NodeCountWrong", "surplus");
    }

    /// @notice Sizes and indices without bound: a refusal always, and always by a name of the specification.
    function testFuzz_ArbitraryInputIsRefusedByName(
        bytes32 root,
        bytes32 leaf,
        uint32 index,
        uint32 size,
        bytes32[] calldata path,
        uint32[] calldata indices,
        bytes32[] calldata leaves
    ) public view {
        vm.assertTrue(!same(judge(root, leaf, index, size, path), "accepted"));
        vm.assertTrue(!same(judgeMany(root, size, indices, leaves, path), "accepted"));
    }

    function checkInclusion(bytes memory encoded, uint256 atLeast) private view {
        InclusionCase[] memory cases = abi.decode(encoded, (InclusionCase[]));
        vm.assertGe(cases.length, atLeast);
        for (uint256 i = 0; i < cases.length; ++i) {
            InclusionCase memory given = cases[i];
            string memory outcome = judge(given.root, given.leaf, given.index, given.size, given.path);
            JSON.assertEq(outcome, given.outcome, given.name);
        }
    }

    function checkMultiproofs(bytes memory encoded, uint256 atLeast) private view {
        MultiproofCase[] memory cases = abi.decode(encoded, (MultiproofCase[]));
        vm.assertGe(cases.length, atLeast);
        for (uint256 i = 0; i < cases.length; ++i) {
            MultiproofCase memory given = cases[i];
            string memory outcome = judgeMany(given.root, given.size, given.indices, given.leaves, given.nodes);
            JSON.assertEq(outcome, given.outcome, given.name);
        }
    }

    function judge(bytes32 root, bytes32 leaf, uint32 index, uint32 size, bytes32[] memory path)
        private
        view
        returns (string memory)
    {
        try harness.verifyInclusion(root, leaf, index, size, path) {
            return "accepted";
        } catch (bytes memory reason) {
            return nameOf(reason);
        }
    }

    function judgeMany(
        bytes32 root,
        uint32 size,
        uint32[] memory indices,
        bytes32[] memory leaves,
        bytes32[] memory nodes
    ) private view returns (string memory) {
        try harness.verifyMultiproof(root, size, indices, leaves, nodes) {
            return "accepted";
        } catch (bytes memory reason) {
            return nameOf(reason);
        }
    }

    function read(string memory file, string memory typeDescription) private view returns (bytes memory) {
        string memory folder = JSON.envOr("WATTEST_MERKLE_VECTORS", "../vectors/merkle");
        string memory json = vm.readFile(string.concat(folder, "/", file));
        return JSON.parseJsonTypeArray(json, ".cases", typeDescription);
    }

    /// @dev A revert that is none of the library's errors (a panic, an empty one) fails the test by its name.
    function nameOf(bytes memory reason) private pure returns (string memory) {
        bytes4 selector = bytes4(reason);
        if (selector == MerkleRfc9162.EmptyTree.selector) return "EmptyTree";
        if (selector == MerkleRfc9162.IndexOutOfRange.selector) return "IndexOutOfRange";
        if (selector == MerkleRfc9162.PathLengthWrong.selector) return "PathLengthWrong";
        if (selector == MerkleRfc9162.NoIndices.selector) return "NoIndices";
        if (selector == MerkleRfc9162.LeavesMismatch.selector) return "LeavesMismatch";
        if (selector == MerkleRfc9162.IndicesNotAscending.selector) return "IndicesNotAscending";
        if (selector == MerkleRfc9162.NodeCountWrong.selector) return "NodeCountWrong";
        if (selector == MerkleRfc9162.RootMismatch.selector) return "RootMismatch";
        if (selector == MerkleRfc9162.PayloadTooLong.selector) return "PayloadTooLong";
        revert("no error of the specification");
    }

    function draw(uint256 seed, uint32 size) private pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](size);
        for (uint256 i = 0; i < size; ++i) {
            leaves[i] = Tree.leaf(bytes16(keccak256(abi.encode(seed, i, "salt"))), abi.encode(seed, i));
        }
    }

    function resized(bytes32[] memory from, uint256 length) private pure returns (bytes32[] memory to) {
        to = new bytes32[](length);
        for (uint256 i = 0; i < length && i < from.length; ++i) {
            to[i] = from[i];
        }
    }

    function within(uint256 value, uint256 low, uint256 high) private pure returns (uint256) {
        return low + value % (high - low + 1);
    }

    function same(string memory left, string memory right) private pure returns (bool) {
        return keccak256(bytes(left)) == keccak256(bytes(right));
    }
}
