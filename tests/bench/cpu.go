// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// usage is what a process has used: processor time (ns), switches to other
// threads, read and write calls (io_uring's are not counted by the kernel).
type usage struct{ cpu, switches, calls float64 }

func (u usage) minus(v usage) usage {
	return usage{u.cpu - v.cpu, u.switches - v.switches, u.calls - v.calls}
}

// usageOf sums over the threads of a process, those of io_uring among them.
func usageOf(pid int) usage {
	var u usage
	if pid == 0 {
		return u
	}
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	for _, t := range threads {
		b, _ := os.ReadFile(t + "/schedstat")
		if f := strings.Fields(string(b)); len(f) > 0 {
			u.cpu += number(f[0])
		}
		u.switches += fields(t+"/status", "voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:")
	}
	u.calls = fields(fmt.Sprintf("/proc/%d/io", pid), "syscr:", "syscw:")
	return u
}

// fields sums the numbers behind the names in a file of /proc.
func fields(file string, names ...string) float64 {
	b, _ := os.ReadFile(file)
	sum := 0.0
	for line := range strings.Lines(string(b)) {
		for _, name := range names {
			if rest, ok := strings.CutPrefix(line, name); ok {
				sum += number(rest)
			}
		}
	}
	return sum
}

func number(s string) float64 {
	x, _ := strconv.ParseFloat(strings.TrimSpace(s), 64)
	return x
}
