// SPDX-License-Identifier: Apache-2.0

package format

import "strings"

// ClusterKind is what a cluster of the file holds. It is a set: a cluster that two things refer to
// is damage that a check finds.
type ClusterKind uint16

const (
	KindHeader ClusterKind = 1 << iota
	KindRefTable
	KindRefBlock
	KindL1
	KindL2
	KindZoneTable
	KindCounters
	KindSnapshots
	KindBitmaps
	KindEncryption
	KindData
)

// ClusterKindBits is how many bits a ClusterKind has.
const ClusterKindBits = 11

var kindNames = [ClusterKindBits]string{"header", "refcount table", "refcount block", "L1 table", "L2 table",
	"zone table", "counter table", "snapshots", "bitmaps", "encryption header", "guest data"}

// String names the kinds of the set.
func (k ClusterKind) String() string {
	var names []string
	for i, name := range kindNames {
		if k>>i&1 != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " and ")
}
