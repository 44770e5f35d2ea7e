package main

import (
	"encoding/json"
	"os"
	"slices"
)

// report is what one boot has measured.
type report struct {
	Kernel  string `json:"kernel"`
	Machine string `json:"machine"`
	Rounds  int    `json:"rounds"`
	Runtime string `json:"runtime"`
	Cells   []cell `json:"cells"`
}

// cell holds the rounds of one workload on one contender.
type cell struct {
	Store     string        `json:"store"`
	Workload  string        `json:"workload"`
	Contender string        `json:"contender"`
	Rounds    []measurement `json:"rounds"`
}

// measurement is one run of fio. What the server used is per request.
type measurement struct {
	KIOPS    float64 `json:"kiops"`    // thousand requests a second
	P99      float64 `json:"p99_us"`   // completion latency, microseconds
	CPU      float64 `json:"cpu_us"`   // processor time of the server, microseconds
	Switches float64 `json:"switches"` // context switches of the server
	Calls    float64 `json:"calls"`    // its read and write system calls
}

func (r *report) add(store, work, who string, m measurement) {
	i := slices.IndexFunc(r.Cells, func(c cell) bool { return c.Store == store && c.Workload == work && c.Contender == who })
	if i < 0 {
		i = len(r.Cells)
		r.Cells = append(r.Cells, cell{Store: store, Workload: work, Contender: who})
	}
	r.Cells[i].Rounds = append(r.Cells[i].Rounds, m)
}

func (r *report) write(file string) error {
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

// find is the cell of a workload on a contender; false if it was not run.
func (r *report) find(store, work, who string) (cell, bool) {
	for _, c := range r.Cells {
		if c.Store == store && c.Workload == work && c.Contender == who {
			return c, true
		}
	}
	return cell{}, false
}
