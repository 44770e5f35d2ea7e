// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
)

// report holds what has been measured on one kernel. Cells may stem from
// several boots.
type report struct {
	Boots []boot `json:"boots"`
	Cells []cell `json:"cells"`
}

// cell holds the rounds of one workload on one contender, of one boot.
type cell struct {
	Boot      string        `json:"boot"`
	Store     string        `json:"store"`
	Workload  string        `json:"workload"`
	Contender string        `json:"contender"`
	Rounds    []measurement `json:"rounds"`
}

// measurement is one run. What the server used is per request.
type measurement struct {
	KIOPS    float64 `json:"kiops"`    // thousand requests a second
	P99      float64 `json:"p99_us"`   // completion latency, microseconds; 0: not known
	CPU      float64 `json:"cpu_us"`   // processor time of the server, microseconds
	Switches float64 `json:"switches"` // context switches of the server
	Calls    float64 `json:"calls"`    // its read and write system calls
}

// charge books what the server used for n requests.
func (m *measurement) charge(used usage, n float64) {
	m.CPU, m.Switches, m.Calls = used.cpu/1000/n, used.switches/n, used.calls/n
}

// add books a measurement of the boot that the report is of.
func (r *report) add(store, work, who string, m measurement) {
	i := r.index(store, side{who, work})
	if i < 0 {
		i = len(r.Cells)
		r.Cells = append(r.Cells, cell{Boot: r.Boots[0].ID, Store: store, Workload: work, Contender: who})
	}
	r.Cells[i].Rounds = append(r.Cells[i].Rounds, m)
}

func (r report) index(store string, s side) int {
	return slices.IndexFunc(r.Cells, func(c cell) bool {
		return c.Store == store && c.Workload == s.work &&
			c.Contender == s.who
	})
}

// find is the cell of a side. A name that stands for several ways to run a
// program finds the fastest of them.
func (r report) find(store string, s side) (best cell, ok bool) {
	if i := r.index(store, s); i >= 0 {
		return r.Cells[i], true
	}
	for _, c := range r.Cells {
		if c.Store == store && c.Workload == s.work && strings.HasPrefix(c.Contender, s.who+" -i ") &&
			c.median(kiops) > best.median(kiops) {
			best, ok = c, true
		}
	}
	return best, ok
}

// take puts the cells of another boot in, in place of those they measure anew.
func (r *report) take(newer report) {
	for _, c := range newer.Cells {
		if i := r.index(c.Store, side{c.Contender, c.Workload}); i >= 0 {
			r.Cells[i] = c
		} else {
			r.Cells = append(r.Cells, c)
		}
	}
	r.Boots = slices.DeleteFunc(append(r.Boots, newer.Boots...), func(b boot) bool {
		return !slices.ContainsFunc(r.Cells, func(c cell) bool { return c.Boot == b.ID })
	})
}

func (r report) write(file string) error {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

func readReport(file string) (r report, err error) {
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	return r, err
}

// median of one figure of the rounds; 0 of none.
func (c cell) median(of func(measurement) float64) float64 {
	var all []float64
	for _, m := range c.Rounds {
		all = append(all, of(m))
	}
	slices.Sort(all)
	if len(all) == 0 {
		return 0
	}
	mid := len(all) / 2
	if len(all)%2 == 1 {
		return all[mid]
	}
	return (all[mid-1] + all[mid]) / 2
}

func kiops(m measurement) float64 { return m.KIOPS }
func cpu(m measurement) float64   { return m.CPU }
