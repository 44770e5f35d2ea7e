// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"errors"
	"fmt"
	"slices"

	"zqublkd/zoned"
)

// What a zone's condition says of a request, without a device.
func ExampleLookup() {
	for _, c := range []zoned.Condition{zoned.Empty, zoned.Full, zoned.NotWP} {
		t, _ := zoned.Lookup(zoned.OpAppend, c)
		if t.Refused != 0 {
			fmt.Printf("append to a zone that is %v: refused, %v\n", c, t.Refused)
			continue
		}
		fmt.Printf("append to a zone that is %v: %v\n", c, t.Next)
	}
	// Output:
	// append to a zone that is empty: implicit-open
	// append to a zone that is full: refused, zone is full
	// append to a zone that is not-write-pointer: refused, conventional zone
}

// Four zones of 1 MiB, the first one conventional, of which one may be open.
func Example() {
	g := zoned.Geometry{Size: 4 << 20, ZoneSize: 1 << 20, ZoneCapacity: 1 << 20, Conventional: 1}
	empty := make([]zoned.Entry, g.Zones())
	for i := range empty {
		empty[i].WP = g.Start(uint32(i))
	}
	d, err := zoned.New(g, zoned.Limits{MaxOpen: 1, MaxActive: 2}, slices.Values(empty), nil)
	if err != nil {
		fmt.Println(err)
		return
	}

	var write zoned.Op
	verdict, err := d.BeginWrite(&write, 1<<20, 4096)
	fmt.Println("write at the write pointer:", verdict == zoned.Granted, err)
	for op := d.EndWrite(&write, nil); op != nil; op = op.Next() { // the I/O has succeeded
		fmt.Println("answered:", op.Outcome == zoned.Acknowledged)
	}

	var gap zoned.Op
	_, err = d.BeginWrite(&gap, 1<<20+8192, 4096)
	var refused *zoned.Error
	if errors.As(err, &refused) {
		fmt.Println("write beyond it:", refused.Rule)
	}

	z := d.State(1)
	fmt.Printf("zone 1: %v, write pointer %d bytes in\n", z.Condition, z.WP-g.Start(1))
	// Output:
	// write at the write pointer: true <nil>
	// answered: true
	// write beyond it: not at the write pointer
	// zone 1: implicit-open, write pointer 4096 bytes in
}
