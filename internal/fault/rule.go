// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// MaxDelay bounds how long a rule holds a request up.
const MaxDelay = 10 * time.Second

// Rule says which requests of a device go wrong, and how.
type Rule struct {
	ID     int    `json:"id"` // by which it is taken away; given by the set
	Op     Op     `json:"op"`
	Status Status `json:"status,omitempty"` // none: the request is only late

	// Where: a zone, a range of 512-byte sectors, or, with none of them, anywhere.
	Zone    *uint32 `json:"zone,omitempty"`
	Start   uint64  `json:"start,omitempty"`
	Sectors uint64  `json:"nr_sectors,omitempty"` // 0: no range

	Chance uint64 `json:"chance,omitempty"` // one in so many; 0 is as 1
	After  uint64 `json:"after,omitempty"`  // so many that fit are spared first
	Count  uint64 `json:"count,omitempty"`  // so many at most are met; 0: any number

	DelayMin time.Duration `json:"delay_min_ns,omitempty"`
	DelayMax time.Duration `json:"delay_max_ns,omitempty"` // 0: not late

	Torn bool   `json:"torn,omitempty"` // some of the blocks of a write arrive before it fails
	Seed uint64 `json:"seed"`

	Persist bool `json:"persist,omitempty"` // it is kept for the daemons after this one
}

// Check reports what is wrong with a rule for a disk of so many zones and bytes.
func (r *Rule) Check(zones uint32, size uint64) error {
	if err := errors.Join(r.Op.check(), r.Status.check()); err != nil {
		return err
	}
	write := r.Op == Write || r.Op == Append
	switch {
	case r.Status == "" && r.DelayMax == 0:
		return errors.New("a fault needs a status, a delay, or both")
	case r.Torn && (!write || r.Status == ""):
		return errors.New("torn: only a write or append that fails with a status can be torn")
	case r.DelayMin < 0 || r.DelayMin > r.DelayMax || r.DelayMax > MaxDelay:
		return fmt.Errorf("delay %v..%v: the second must not be below the first, nor above %v", r.DelayMin, r.DelayMax, MaxDelay)
	case (r.Zone != nil || r.Sectors > 0) && !r.Op.HasPlace():
		return fmt.Errorf("a %s has no place on the disk: name neither a zone nor sectors", r.Op)
	case r.Zone != nil && (r.Sectors > 0 || r.Start > 0):
		return errors.New("a zone and sectors are given: name one of them")
	case r.Zone != nil && *r.Zone >= zones:
		return fmt.Errorf("zone %d: the disk has zones 0 to %d", *r.Zone, zones-1)
	case r.Start > 0 && r.Sectors == 0:
		return errors.New("a first sector is given without the number of sectors")
	case r.Start > size/sector || r.Sectors > size/sector-r.Start:
		return fmt.Errorf("sectors %d and %d on: the disk has %d", r.Start, r.Sectors, size/sector)
	}
	return nil
}

const sector = 512 // bytes

// fits reports whether the rule is about a request.
func (r *Rule) fits(q Request) bool {
	switch {
	case q.Op != r.Op:
		return false
	case r.Zone != nil:
		return q.First <= *r.Zone && *r.Zone <= q.Last
	case r.Sectors > 0:
		return q.Off < (r.Start+r.Sectors)*sector && r.Start*sector < q.Off+max(q.Bytes, 1)
	}
	return true
}

// String is the rule as the command line has it.
func (r *Rule) String() string {
	words := []string{"op=" + string(r.Op)}
	add := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	if r.Status != "" {
		add("status=%s", string(r.Status))
	}
	if r.Zone != nil {
		add("zone=%d", *r.Zone)
	}
	if r.Sectors > 0 {
		add("start=%d nr_sectors=%d", r.Start, r.Sectors)
	}
	for _, n := range []struct {
		name string
		n    uint64
	}{{"chance", r.Chance}, {"after", r.After}, {"count", r.Count}} {
		if n.n > 0 {
			add("%s=%d", n.name, n.n)
		}
	}
	if r.DelayMax > 0 {
		add("delay=%v..%v", r.DelayMin, r.DelayMax)
	}
	if r.Torn {
		add("torn")
	}
	add("seed=%d", r.Seed)
	if r.Persist {
		add("persist")
	}
	return strings.Join(words, " ")
}
