// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"encoding/binary"
)

// Contents of requests follow from a seed; no two sectors of a workload are
// alike. Seed 0 is zeros. Lengths and places are bytes, multiples of 512.

// sectorWord is the first word of the sector at byte at of the data of a seed.
func sectorWord(at, seed uint64) uint64 {
	x := seed*0x9e3779b97f4a7c15 ^ at/512*0xd1342543de82ef95
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	return (x ^ x>>27) | 1
}

const sectorStep = 0x2545f4914f6cdd1e // even: words stay odd, so never 0

func contents(n, seed uint64) []byte {
	b := make([]byte, n)
	if seed == 0 {
		return b
	}
	for at := uint64(0); at < n; at += 512 {
		w := sectorWord(at, seed)
		for k := uint64(0); k < 512; k += 8 {
			binary.LittleEndian.PutUint64(b[at+k:], w)
			w += sectorStep
		}
	}
	return b
}

// differs is the first byte of b, rounded down to 8, that is not the data of
// the seed from byte at on; -1 if all is.
func differs(b []byte, at, seed uint64) int {
	if seed == 0 {
		return firstNonZero(b)
	}
	for k := 0; k < len(b); k += 512 {
		w := sectorWord(at+uint64(k), seed)
		sector := b[k : k+512]
		for i := 0; i < 512; i += 8 {
			if binary.LittleEndian.Uint64(sector[i:]) != w {
				return k + i
			}
			w += sectorStep
		}
	}
	return -1
}

// zeros is what most of a disk is: compared whole, a million states are judged sooner.
var zeros [4096]byte

// firstNonZero is the first such byte, -1 if all are zero.
func firstNonZero(b []byte) int {
	i := 0
	for n := min(len(b), len(zeros)); n > 0 && bytes.Equal(b[i:i+n], zeros[:n]); n = min(len(b)-i, len(zeros)) {
		i += n
	}
	for ; i+8 <= len(b); i += 8 {
		if binary.LittleEndian.Uint64(b[i:]) != 0 {
			break
		}
	}
	for ; i < len(b); i++ {
		if b[i] != 0 {
			return i
		}
	}
	return -1
}
