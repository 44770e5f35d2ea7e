// SPDX-License-Identifier: Apache-2.0

package zoned

import "fmt"

// Operation is what a request, or the device itself, does to a zone.
type Operation uint8

// The operations. Fill and Evict are done by the device: a write that reached
// the zone capacity has ended, and an open slot was needed elsewhere.
const (
	OpRead Operation = iota
	OpWrite
	OpAppend
	OpOpen
	OpClose
	OpFinish
	OpReset
	OpFill
	OpEvict
	numOperations
)

var operationNames = [numOperations]string{
	"read", "write", "append", "open", "close", "finish", "reset", "fill", "evict",
}

func (o Operation) String() string {
	if int(o) < len(operationNames) {
		return operationNames[o]
	}
	return fmt.Sprintf("operation-%d", uint8(o))
}

// Transition is one cell of the state machine: what an operation on a zone in
// some condition leads to. The resources follow from the two conditions.
type Transition struct {
	Next Condition
	// EmptyNext replaces Next when nothing has been written to the zone, so
	// that a zone that reports no data holds no resource.
	EmptyNext Condition
	Refused   Rule // 0: allowed
}

func to(next Condition) Transition { return Transition{Next: next, EmptyNext: next} }
func refuse(r Rule) Transition     { return Transition{Refused: r} }

// closes is the transition of an open zone that is closed.
var closes = Transition{Next: Closed, EmptyNext: Empty}

// table is the state machine: operation, then condition. Cells that are absent
// can't be reached (the device only fills and evicts zones it found open).
//
// ZBC-2 4.4.3 (zone condition state machine), NVMe ZNS 1.1 section 2.1.1.4.
var table = [numOperations]map[Condition]Transition{
	OpRead: {
		NotWP: to(NotWP), Empty: to(Empty), ImplicitOpen: to(ImplicitOpen), ExplicitOpen: to(ExplicitOpen),
		Closed: to(Closed), Full: to(Full), ReadOnly: to(ReadOnly), Offline: refuse(RuleOffline),
	},
	OpWrite: {
		NotWP: to(NotWP), Empty: to(ImplicitOpen), ImplicitOpen: to(ImplicitOpen), ExplicitOpen: to(ExplicitOpen),
		Closed: to(ImplicitOpen), Full: refuse(RuleFull), ReadOnly: refuse(RuleReadOnly), Offline: refuse(RuleOffline),
	},
	OpAppend: {
		NotWP: refuse(RuleConventional),
		Empty: to(ImplicitOpen), ImplicitOpen: to(ImplicitOpen), ExplicitOpen: to(ExplicitOpen),
		Closed: to(ImplicitOpen), Full: refuse(RuleFull), ReadOnly: refuse(RuleReadOnly), Offline: refuse(RuleOffline),
	},
	OpOpen: {
		NotWP: refuse(RuleConventional),
		Empty: to(ExplicitOpen), ImplicitOpen: to(ExplicitOpen), ExplicitOpen: to(ExplicitOpen),
		Closed: to(ExplicitOpen), Full: refuse(RuleFull), ReadOnly: refuse(RuleReadOnly), Offline: refuse(RuleOffline),
	},
	OpClose: {
		NotWP: refuse(RuleConventional), Empty: to(Empty), ImplicitOpen: closes, ExplicitOpen: closes,
		Closed: to(Closed), Full: to(Full), ReadOnly: refuse(RuleReadOnly), Offline: refuse(RuleOffline),
	},
	OpFinish: {
		NotWP: refuse(RuleConventional), Empty: to(Full), ImplicitOpen: to(Full), ExplicitOpen: to(Full),
		Closed: to(Full), Full: to(Full), ReadOnly: refuse(RuleReadOnly), Offline: refuse(RuleOffline),
	},
	OpReset: {
		NotWP: refuse(RuleConventional), Empty: to(Empty), ImplicitOpen: to(Empty), ExplicitOpen: to(Empty),
		Closed: to(Empty), Full: to(Empty), ReadOnly: refuse(RuleReadOnly), Offline: refuse(RuleOffline),
	},
	OpFill:  {ImplicitOpen: to(Full), ExplicitOpen: to(Full), Closed: to(Full)},
	OpEvict: {ImplicitOpen: closes},
}

// cells is table with an index for a condition, for the hot path.
var cells [numOperations][16]Transition

func init() {
	for op, row := range table {
		for c, t := range row {
			cells[op][c] = t
		}
	}
}

// Lookup is the cell of the state machine for op on a zone in condition c.
func Lookup(op Operation, c Condition) (Transition, bool) {
	if op >= numOperations {
		return Transition{}, false
	}
	t, ok := table[op][c]
	return t, ok
}
