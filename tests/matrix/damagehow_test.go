// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"encoding/binary"
	"fmt"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// place is a range of bytes of the image that holds one kind of metadata.
type place struct {
	name string
	off  uint64
	n    uint64 // bytes
}

const offsetBits = 0x00fffffffffffe00

// places are the metadata of an image: what damage is done to.
func (b *bench) places(data []byte) []place {
	h, err := qcow2.ReadHeader(storagetest.NewMem(data))
	if err != nil {
		b.Fatal(err)
	}
	cluster := h.ClusterSize()
	list := []place{{"header", 4, 108}, {"header extensions", 72, 400}, {"refcount table", h.RefcountTableOffset, 64}, {"L1 table", h.L1TableOffset, uint64(h.L1Size) * 8}}
	for k := range min(8, cluster*uint64(h.RefcountTableClusters)/8) {
		if at := binary.BigEndian.Uint64(data[h.RefcountTableOffset+8*k:]); at != 0 {
			list = append(list, place{"refcount block", at, cluster})
		}
	}
	for k := range uint64(h.L1Size) {
		if at := binary.BigEndian.Uint64(data[h.L1TableOffset+8*k:]) & offsetBits; at != 0 {
			list = append(list, place{"L2 table", at, cluster}, place{"L2 table", at, cluster}, place{"L2 table", at, min(cluster, 64)})
		}
	}
	if h.SnapshotCount > 0 {
		at := binary.BigEndian.Uint64(data[h.SnapshotsOffset:])
		list = append(list, place{"snapshot table", h.SnapshotsOffset, 80}, place{"snapshot's L1 table", at, 64})
	}
	for _, e := range h.Extensions {
		switch {
		case e.Type == format.ExtBitmaps:
			dir := binary.BigEndian.Uint64(e.Data[16:])
			list = append(list, place{"bitmap directory", dir, 64}, place{"bitmap table", binary.BigEndian.Uint64(data[dir:]), 32})
		case e.Type == format.ExtZoned && len(e.Data) >= 44:
			list = append(list, place{"zone extension", 112, 60})
		}
	}
	return list
}

// damage changes the image, and says how.
func (b *bench) damage() (done []string) {
	data := b.read(image)
	list := b.places(data)
	if b.rng.IntN(12) == 0 {
		cut := b.rng.IntN(len(data)) &^ 511
		name := image
		if b.spec.data != "" && b.rng.IntN(2) == 0 {
			name = "data.raw"
			b.write(name, b.read(name)[:b.rng.IntN(len(b.read(name)))])
		} else {
			data = data[:max(cut, 1<<b.spec.clusterBits)]
		}
		done = append(done, fmt.Sprintf("%s cut short: the image has %#x bytes", name, len(data)))
	}
	for len(done) < 1+b.rng.IntN(3) {
		p := list[b.rng.IntN(len(list))]
		if p.off+p.n > uint64(len(data)) {
			if len(done) > 0 {
				break
			}
			continue
		}
		at := p.off + b.rng.Uint64N(p.n/8)*8
		word := data[at:][:8]
		old := binary.BigEndian.Uint64(word)
		b.patch(data, word)
		if next := binary.BigEndian.Uint64(word); next != old {
			done = append(done, fmt.Sprintf("%s: word at %#x was %#016x, is %#016x", p.name, at, old, next))
		}
	}
	b.write(image, data)
	return done
}

// patch changes a word.
func (b *bench) patch(data, word []byte) {
	old := binary.BigEndian.Uint64(word)
	next := old
	switch b.rng.IntN(7) {
	case 0, 1:
		next ^= 1 << b.rng.IntN(64)
	case 2:
		word[b.rng.IntN(8)] = byte(b.rng.Uint32())
		return
	case 3: // another word of the file
		at := b.rng.IntN(len(data)-8) &^ 7
		next = binary.BigEndian.Uint64(data[at:])
	case 4: // a neighbour
		next += uint64(b.rng.IntN(9)-4) << b.spec.clusterBits
	case 5: // some cluster of the file
		next = next&^offsetBits | b.rng.Uint64N(uint64(len(data))>>b.spec.clusterBits+2)<<b.spec.clusterBits
	case 6:
		next = b.rng.Uint64() >> b.rng.IntN(64)
	}
	binary.BigEndian.PutUint64(word, next)
}
