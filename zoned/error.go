// SPDX-License-Identifier: Apache-2.0

package zoned

import (
	"fmt"
	"time"
)

// Rule names the rule that a refused request has broken.
type Rule uint8

// The rules.
const (
	_                Rule = iota
	RuleRange             // outside the disk
	RuleZoneStart         // management or append not at a zone start
	RuleBoundary          // crosses into the next zone
	RuleWritePointer      // write not at the write pointer
	RuleCapacity          // reaches past the zone capacity
	RuleAppendSize        // append longer than the device's limit
	RuleConventional      // the zone has no write pointer
	RuleFull              // the zone is full
	RuleReadOnly          // the zone is read-only
	RuleOffline           // the zone is offline
	RuleOpenLimit         // too many open zones
	RuleActiveLimit       // too many active zones
	RuleAborted           // a write below it in the zone failed
	numRules
)

var ruleNames = [numRules]string{
	RuleRange:        "outside the disk",
	RuleZoneStart:    "not at the start of a zone",
	RuleBoundary:     "crosses a zone boundary",
	RuleWritePointer: "not at the write pointer",
	RuleCapacity:     "beyond the zone capacity",
	RuleAppendSize:   "append larger than the device allows",
	RuleConventional: "conventional zone",
	RuleFull:         "zone is full",
	RuleReadOnly:     "zone is read-only",
	RuleOffline:      "zone is offline",
	RuleOpenLimit:    "too many open zones",
	RuleActiveLimit:  "too many active zones",
	RuleAborted:      "a write below it in the zone failed",
}

func (r Rule) String() string {
	if r > 0 && r < numRules {
		return ruleNames[r]
	}
	return fmt.Sprintf("rule-%d", uint8(r))
}

// Error is a refused request: what was asked, of which zone, and why not.
// Offset, Length and WP are bytes of the disk.
type Error struct {
	Rule      Rule
	Op        Operation
	Zone      uint32
	Condition Condition
	Offset    uint64
	Length    uint64
	WP        uint64
	Limit     uint64 // the limit that was hit, where the rule has one

	// Who has the slots, for the rules of the limits and a device that knows
	// (KeepHolders): the one written longest ago first, and how many more.
	Holders []SlotHolder
	Unnamed int
	Time    time.Time // as of when
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s at %d, %d bytes, zone %d (%s, write pointer %d): %s",
		e.Op, e.Offset, e.Length, e.Zone, e.Condition, e.WP, e.Rule)
	if e.Limit != 0 {
		s += fmt.Sprintf(" (%d)", e.Limit)
	}
	return s + e.heldBy()
}

// Is makes errors.Is(err, &Error{Rule: r}) ask for the rule alone.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Rule == e.Rule
}
