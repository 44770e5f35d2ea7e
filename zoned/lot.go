// SPDX-License-Identifier: Apache-2.0

package zoned

import "sync"

// lot is where parked requests wait, by zone. Few zones have any at a time, so
// that a word in each would be waste.
type lot struct {
	mu sync.Mutex // the last lock to be taken
	of map[uint32]opList
}

func newLot() lot { return lot{of: make(map[uint32]opList)} }

// add puts op behind the others that wait for the zone.
func (l *lot) add(zone uint32, op *Op) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ops := l.of[zone]
	ops.push(op)
	l.of[zone] = ops
}

// take returns those that wait for the zone, first come first, and forgets them.
func (l *lot) take(zone uint32) opList {
	l.mu.Lock()
	defer l.mu.Unlock()
	ops := l.of[zone]
	delete(l.of, zone)
	return ops
}
