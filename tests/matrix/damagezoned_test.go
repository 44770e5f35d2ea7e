// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"bytes"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// makeZoned makes a zoned image of a layout, with zones in all states, and out.raw,
// its disk.
func (b *bench) makeZoned(layout string) {
	mem := new(storagetest.Mem)
	o := qcow2.CreateOptions{Size: 6 << 20, ClusterSize: 1 << b.spec.clusterBits, RefcountBits: uint32(b.spec.refcountBits), ExtendedL2: b.spec.extended,
		LogicalBlockSize: 512, Zone: &qcow2.ZoneOptions{Revision: layout, Size: 512 << 10, Capacity: 448 << 10, Conventional: 2}}
	if err := qcow2.Create(mem, o); err != nil {
		b.Fatal(err)
	}
	i, err := qcow2.Open(mem, qcow2.OpenOptions{})
	if err != nil {
		b.Fatal(err)
	}
	z := i.Zoned()
	for k := range z.Zones {
		n := []uint64{0, 4096, 70000 &^ 511, z.ZoneCapacity}[k%4]
		err := i.WriteAt(bytes.Repeat([]byte{byte(k + 1)}, int(n)), z.ZoneStart(k))
		if err == nil && k >= z.Conventional {
			err = i.WriteZoneSlots([]format.ZoneSlot{{Zone: k, WP: z.ZoneStart(k) + n}})
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	disk := make([]byte, i.VirtualSize())
	if err := i.ReadAt(disk, 0); err != nil {
		b.Fatal(err)
	}
	if err := i.Close(); err != nil {
		b.Fatal(err)
	}
	b.write(image, mem.Bytes())
	b.write("out.raw", disk)
}
