// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {QeDescription, QeIdentity} from "../dcap/QeIdentity.sol";
import {QeTable} from "../dcap/QeTable.sol";
import {TcbDescription, TcbInfo} from "../dcap/TcbInfo.sol";
import {TcbTable} from "../dcap/TcbTable.sol";

/// @notice What the registry needs of a text before it stores the rest as a table.
struct StatementHead {
    uint64 issued;
    uint64 nextUpdate;
    uint32 evaluationNumber;
    bytes6 fmspc; // of TCB info
    bytes2 pceId;
}

/// @title Turns the signed texts into the tables that are stored
/// @notice The collateral registry makes its own one at construction: together they would be above the limit of one
/// contract's code. Keeps nothing and trusts nobody; signature and dates are the registry's to check.
contract StatementReader {
    function readTcbInfo(bytes calldata text) external pure returns (StatementHead memory, bytes memory table) {
        TcbDescription memory tcb = TcbInfo.parse(text);
        return
            (StatementHead(tcb.issued, tcb.nextUpdate, tcb.evaluationNumber, tcb.fmspc, tcb.pceId), TcbTable.pack(tcb));
    }

    function readQeIdentity(bytes calldata text) external pure returns (StatementHead memory, bytes memory table) {
        QeDescription memory qe = QeIdentity.parse(text);
        return (StatementHead(qe.issued, qe.nextUpdate, qe.evaluationNumber, 0, 0), QeTable.pack(qe));
    }
}
