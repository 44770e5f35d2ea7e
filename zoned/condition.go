// SPDX-License-Identifier: Apache-2.0

package zoned

import "fmt"

// Condition is a zone's condition with the code the kernel uses
// (enum blk_zone_cond, include/uapi/linux/blkzoned.h).
type Condition uint8

// The conditions of a zone.
const (
	NotWP        Condition = 0x0 // conventional: no write pointer
	Empty        Condition = 0x1
	ImplicitOpen Condition = 0x2
	ExplicitOpen Condition = 0x3
	Closed       Condition = 0x4
	ReadOnly     Condition = 0xd
	Full         Condition = 0xe
	Offline      Condition = 0xf
)

// Conditions lists every condition in the order of its code.
var Conditions = []Condition{NotWP, Empty, ImplicitOpen, ExplicitOpen, Closed, ReadOnly, Full, Offline}

var conditionNames = map[Condition][2]string{
	NotWP:        {"not-write-pointer", "nw"},
	Empty:        {"empty", "em"},
	ImplicitOpen: {"implicit-open", "oi"},
	ExplicitOpen: {"explicit-open", "oe"},
	Closed:       {"closed", "cl"},
	ReadOnly:     {"read-only", "ro"},
	Full:         {"full", "fu"},
	Offline:      {"offline", "of"},
}

func (c Condition) String() string {
	if n, ok := conditionNames[c]; ok {
		return n[0]
	}
	return fmt.Sprintf("condition-%#x", uint8(c))
}

// Short is the two-letter form that blkzone(8) prints.
func (c Condition) Short() string {
	if n, ok := conditionNames[c]; ok {
		return n[1]
	}
	return "??"
}

// Open reports whether a zone in this condition counts as open.
func (c Condition) Open() bool { return c == ImplicitOpen || c == ExplicitOpen }

// Active reports whether a zone in this condition counts as active.
func (c Condition) Active() bool { return c.Open() || c == Closed }
