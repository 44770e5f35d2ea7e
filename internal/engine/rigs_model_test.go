// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"zqublkd/ublk"
)

const (
	sectorBytes = ublk.SectorBytes
	baseStamp   = 1 // what an image holds before a run
)

// stampSector fills a sector with what write number stamp puts there: no two
// sectors and no two writes look alike. Stamp 0 is zeros.
func stampSector(b []byte, sector, stamp uint64) {
	if stamp == 0 {
		clear(b[:sectorBytes])
		return
	}
	place := stamp ^ (sector+1)*0x9e3779b97f4a7c15
	for k := 0; k < sectorBytes; k += 16 {
		binary.LittleEndian.PutUint64(b[k:], stamp)
		binary.LittleEndian.PutUint64(b[k+8:], place)
	}
}

// stamped fills n sectors from at on.
func stamped(at, n, stamp uint64) []byte {
	b := make([]byte, n*sectorBytes)
	for k := range n {
		stampSector(b[k*sectorBytes:], at+k, stamp)
	}
	return b
}

// sectorModel knows what each sector of a disk may hold: one stamp, or several
// where a request promises neither the old nor the new, and none where nothing is
// known. A request has its
// sectors for itself, as a file system sees to.
type sectorModel struct {
	mu   sync.Mutex
	free sync.Cond // some are no longer busy
	busy []bool
	may  [][]uint64 // by sector; the last one is the newest
	last uint64     // stamp given out
	near uint64     // sector near which most requests lie
}

func newSectorModel(sectors uint64, stamp uint64) *sectorModel {
	m := &sectorModel{busy: make([]bool, sectors), may: make([][]uint64, sectors), last: baseStamp}
	m.free.L = &m.mu
	m.surely(0, sectors, stamp)
	return m
}

// claim finds n sectors that no request is about: most near one place that moves
// on, so that requests meet in the same clusters and pages.
func (m *sectorModel) claim(rng *rand.Rand, n uint64) (at, stamp uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	total := uint64(len(m.busy))
	for {
		if at = rng.Uint64N(total - n + 1); rng.IntN(8) > 0 {
			at = min((m.near+rng.Uint64N(max(4*n, 64)))/n*n, total-n)
		}
		if rng.IntN(32) == 0 {
			m.near = rng.Uint64N(total)
		}
		if !slices.Contains(m.busy[at:at+n], true) {
			break
		}
		m.free.Wait()
	}
	for k := range n {
		m.busy[at+k] = true
	}
	m.last++
	return at, m.last
}

func (m *sectorModel) release(at, n uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.busy[at : at+n])
	m.free.Broadcast()
}

// maybe notes that sectors may come to hold a stamp.
func (m *sectorModel) maybe(at, n, stamp uint64) {
	for k := at; k < at+n; k++ {
		if len(m.may[k]) > 0 && !slices.Contains(m.may[k], stamp) {
			m.may[k] = append(slices.Clone(m.may[k]), stamp)
		}
	}
}

// surely notes that sectors hold a stamp.
func (m *sectorModel) surely(at, n, stamp uint64) {
	for k := at; k < at+n; k++ {
		m.may[k] = []uint64{stamp}
	}
}

// saw judges what was read of whole sectors from at on; what is there now is
// known from then on.
func (m *sectorModel) saw(at uint64, data []byte) error {
	want := make([]byte, sectorBytes)
	for ; len(data) > 0; data, at = data[sectorBytes:], at+1 {
		got := binary.LittleEndian.Uint64(data)
		if stampSector(want, at, got); string(want) != string(data[:sectorBytes]) {
			return fmt.Errorf("sector %d holds a mixture: % x..., may hold %d", at, data[:32], m.may[at])
		}
		if len(m.may[at]) > 0 && !slices.Contains(m.may[at], got) {
			return fmt.Errorf("sector %d holds write %d, may hold %d", at, got, m.may[at])
		}
		m.may[at] = []uint64{got}
	}
	return nil
}
