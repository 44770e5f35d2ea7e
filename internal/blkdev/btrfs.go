// SPDX-License-Identifier: Apache-2.0

package blkdev

import (
	"encoding/binary"
	"fmt"
	"sort"

	"golang.org/x/sys/unix"
)

// chunk is a range of btrfs' own address space and where it lies on the first
// device, in bytes.
type chunk struct{ logical, length, physical uint64 }

type chunkMap []chunk

// BTRFS_IOC_TREE_SEARCH and what it is asked for, include/uapi/linux/btrfs.h and
// btrfs_tree.h.
const (
	btrfsIocTreeSearch = 0xd0009411
	searchArgs         = 4096
	searchKey          = 104 // struct btrfs_ioctl_search_key
	searchHeader       = 32  // struct btrfs_ioctl_search_header
	chunkTree          = 3   // BTRFS_CHUNK_TREE_OBJECTID
	chunkObject        = 256 // BTRFS_FIRST_CHUNK_TREE_OBJECTID
	chunkItem          = 228 // BTRFS_CHUNK_ITEM_KEY
	chunkStripes       = 48  // in struct btrfs_chunk: where its stripes begin
)

// Block groups whose stripes are copies or one whole: an address has one place
// on the first device.
const stripedProfiles = 1<<3 | 1<<6 | 1<<7 | 1<<8 // RAID0, RAID10, RAID5, RAID6

func btrfsChunks(fd int) (chunkMap, error) {
	var m chunkMap
	for from := uint64(0); ; {
		buf := make([]byte, searchArgs)
		for at, v := range map[int]uint64{0: chunkTree, 8: chunkObject, 16: chunkObject, 24: from, 32: ^uint64(0),
			48: ^uint64(0)} {
			binary.NativeEndian.PutUint64(buf[at:], v)
		}
		binary.NativeEndian.PutUint32(buf[56:], chunkItem)
		binary.NativeEndian.PutUint32(buf[60:], chunkItem)
		binary.NativeEndian.PutUint32(buf[64:], 1024)
		if e := ioctl(fd, btrfsIocTreeSearch, &buf[0]); e != 0 {
			return nil, e
		}
		n := binary.NativeEndian.Uint32(buf[64:])
		if n == 0 {
			sort.Slice(m, func(i, k int) bool { return m[i].logical < m[k].logical })
			return m, nil
		}
		at := searchKey
		for range n {
			if at+searchHeader > len(buf) {
				return nil, unix.EOVERFLOW
			}
			logical := binary.NativeEndian.Uint64(buf[at+16:])
			size := int(binary.NativeEndian.Uint32(buf[at+28:]))
			if at += searchHeader; at+size > len(buf) {
				return nil, unix.EOVERFLOW
			}
			c, err := decodeChunk(logical, buf[at:at+size])
			if err != nil {
				return nil, err
			}
			m, at, from = append(m, c), at+size, logical+1
		}
	}
}

// decodeChunk reads a struct btrfs_chunk, whose numbers are little-endian.
func decodeChunk(logical uint64, b []byte) (chunk, error) {
	if len(b) < chunkStripes+16 {
		return chunk{}, fmt.Errorf("chunk item of %d bytes", len(b))
	}
	if binary.LittleEndian.Uint64(b[24:])&stripedProfiles != 0 {
		return chunk{}, fmt.Errorf("striped over several devices: %w", unix.EOPNOTSUPP)
	}
	return chunk{logical, binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[chunkStripes+8:])}, nil
}

// translate says where extents of btrfs' address space lie on the device.
func (m chunkMap) translate(list []Extent) ([]Extent, error) {
	var out []Extent
	for _, e := range list {
		for e.Length > 0 {
			i := sort.Search(len(m), func(i int) bool { return m[i].logical+m[i].length > e.Offset })
			if i == len(m) || m[i].logical > e.Offset {
				return nil, fmt.Errorf("no chunk of the file system holds its byte %d", e.Offset)
			}
			n := min(e.Length, m[i].logical+m[i].length-e.Offset)
			out = append(out, Extent{m[i].physical + e.Offset - m[i].logical, n})
			e.Offset, e.Length = e.Offset+n, e.Length-n
		}
	}
	return out, nil
}
