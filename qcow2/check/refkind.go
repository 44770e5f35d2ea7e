// SPDX-License-Identifier: Apache-2.0

package check

import "strings"

// refKind is what a cluster of the file serves as; a set, since overlaps are what
// the check is looking for.
type refKind uint8

const (
	kindHeader refKind = 1 << iota
	kindRefTable
	kindRefBlock
	kindL1
	kindL2
	kindZones
	kindOther // snapshot table, bitmaps, encryption header
	kindData

	kindRefcounts = kindRefTable | kindRefBlock

	// kindReferring are those that hold references to other clusters.
	kindReferring = kindHeader | kindL1 | kindL2 | kindOther

	// kindShared are those that may rightly be referenced more than once.
	kindShared = kindL2 | kindData
)

var kindNames = [8]string{"header", "refcount table", "refcount block", "L1 table",
	"L2 table", "zone table", "snapshot, bitmap or encryption metadata", "guest data"}

func (u refKind) String() string {
	var names []string
	for i, name := range kindNames {
		if u>>i&1 != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " and ")
}
