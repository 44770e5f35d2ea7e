// SPDX-License-Identifier: Apache-2.0

package check

import "strings"

// refKind is what a cluster of the file serves as; a set, since overlaps are what
// the check is looking for.
type refKind uint8

const (
	useHeader refKind = 1 << iota
	useRefTable
	useRefBlock
	useL1
	useL2
	useZones
	useOther // snapshot table, bitmaps, encryption header
	useData

	useRefcounts = useRefTable | useRefBlock

	// useReferring holds references to other clusters.
	useReferring = useHeader | useL1 | useL2 | useOther

	// useShared may rightly be referenced more than once.
	useShared = useL2 | useData
)

var useNames = [8]string{"header", "refcount table", "refcount block", "L1 table",
	"L2 table", "zone table", "snapshot, bitmap or encryption metadata", "guest data"}

func (u refKind) String() string {
	var names []string
	for i, name := range useNames {
		if u>>i&1 != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " and ")
}
