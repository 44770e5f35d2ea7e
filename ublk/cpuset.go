// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"

	"golang.org/x/sys/unix"
)

// cpuSetBytes is room for 8192 CPUs, the most Linux is built for; the driver wants whole words for
// all CPUs there can be.
const cpuSetBytes = 1024

// CPUSet is a bit mask of CPUs in the kernel's layout: machine words.
type CPUSet []byte

// CPUs lists the numbers in the set.
func (s CPUSet) CPUs() []int {
	var cpus []int
	for i := 0; i+8 <= len(s); i += 8 {
		for w := binary.NativeEndian.Uint64(s[i:]); w != 0; w &= w - 1 {
			cpus = append(cpus, i*8+bits.TrailingZeros64(w))
		}
	}
	return cpus
}

// String writes the set like the kernel's lists: "0-3,8".
func (s CPUSet) String() string {
	var b strings.Builder
	cpus := s.CPUs()
	for i := 0; i < len(cpus); {
		j := i
		for j+1 < len(cpus) && cpus[j+1] == cpus[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		if fmt.Fprint(&b, cpus[i]); j > i {
			fmt.Fprintf(&b, "-%d", cpus[j])
		}
		i = j + 1
	}
	return b.String()
}

// AllowedCPUs is where the calling thread may run.
func AllowedCPUs() (CPUSet, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("CPUs of this thread: %w", err)
	}
	s := make(CPUSet, cpuSetBytes)
	for cpu := range cpuSetBytes * 8 {
		if set.IsSet(cpu) {
			s[cpu/8] |= 1 << (cpu % 8) // a word's lowest byte first
		}
	}
	return s, nil
}

// Without is what is in s and not in t.
func (s CPUSet) Without(t CPUSet) CPUSet {
	rest := make(CPUSet, len(s))
	for i := range s {
		rest[i] = s[i]
		if i < len(t) {
			rest[i] &^= t[i]
		}
	}
	return rest
}

// PinThread lets the calling thread run only on the CPUs of the set. The goroutine must be locked
// to its thread. An empty set is left alone.
func (s CPUSet) PinThread() error {
	var set unix.CPUSet
	for _, cpu := range s.CPUs() {
		set.Set(cpu)
	}
	if set.Count() == 0 {
		return nil
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("pin thread to CPUs %s: %w", s, err)
	}
	return nil
}
