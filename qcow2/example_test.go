// SPDX-License-Identifier: Apache-2.0

package qcow2_test

import (
	"fmt"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// A zoned image is made, one block of it is written, and the write pointer that
// covers it is stored once the data is durable. The rules of zones are the
// caller's: see package zoned.
func Example() {
	f := new(storagetest.Mem) // storage.Create makes a file
	err := qcow2.Create(f, qcow2.CreateOptions{Size: 64 << 20, Zone: &qcow2.ZoneOptions{Size: 16 << 20, Conventional: 1}})
	if err != nil {
		fmt.Println(err)
		return
	}
	img, err := qcow2.Open(f, qcow2.OpenOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer img.Close()
	fmt.Println(img.Zoned().Zones, "zones,", img.VirtualSize(), "bytes")

	start := img.Zoned().ZoneStart(2)
	for _, step := range []func() error{
		func() error { return img.WriteAt([]byte("hello"), start) }, // takes space for it
		img.Sync, // data before write pointers
		func() error { return img.WriteZoneSlots([]format.ZoneSlot{{Zone: 2, WP: start + 512}}) },
		img.Sync,
	} {
		if err := step(); err != nil {
			fmt.Println(err)
			return
		}
	}
	x := img.Lookup(start, 4096)
	b := make([]byte, 5)
	fmt.Println(x.Kind == qcow2.Data, img.ReadAt(b, start), string(b))
	// Output:
	// 4 zones, 67108864 bytes
	// true <nil> hello
}
