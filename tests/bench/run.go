package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// run sets the stores and contenders up and measures.
func run(args []string) error {
	p, err := parsePlan(args)
	if err != nil {
		return err
	}
	r := report{Machine: p.describe, Rounds: p.rounds, Runtime: p.runtime.String()}
	if r.Kernel, err = output("uname", "-r"); err != nil {
		return err
	}
	for _, s := range stores {
		if !p.stores.MatchString(s.name) {
			continue
		}
		if err := p.measureStore(s, &r); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return r.write(p.out)
}

// store is where the data of the contenders lies.
type store struct {
	name string
	make func(dir string) error
}

var stores = []store{
	{"tmpfs", func(dir string) error {
		_, err := output("mount", "-t", "tmpfs", "-o", "size=4G", "bench", dir)
		return err
	}},
	{"XFS, 50 us latency", slowXFS},
}

// slowXFS is a file system on a device of memory that answers by a timer.
func slowXFS(dir string) error {
	if err := configNull("nullbx", map[string]int{"memory_backed": 1, "blocksize": 4096, "size": 3 << 10, "irqmode": 2, "completion_nsec": 50000}); err != nil {
		return err
	}
	if _, err := output("mkfs.xfs", "-q", "/dev/nullbx"); err != nil {
		return err
	}
	_, err := output("mount", "/dev/nullbx", dir)
	return err
}

// measureStore starts the contenders on a store and runs the rounds.
func (p plan) measureStore(s store, r *report) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	if err := s.make(dir); err != nil {
		return err
	}
	list, err := p.startAll(s.name, dir)
	if err != nil {
		return err
	}
	settle()
	for round := range p.rounds {
		for _, w := range workloads {
			if !p.work.MatchString(w.name) {
				continue
			}
			for i := range list {
				c := list[(i+round)%len(list)] // no one is always the first
				if !w.suits(c) {
					continue
				}
				m, err := p.measure(w, c)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", c.name, w.name, err)
				}
				r.add(s.name, w.name, c.name, m)
				fmt.Printf("%d %-24s %-28s %-24s %8.1f k/s %7.1f us cpu p99 %6.0f us\n", round, s.name, w.name, c.name, m.KIOPS, m.CPU, m.P99)
			}
		}
	}
	return nil
}

func (p plan) startAll(store, dir string) ([]*contender, error) {
	autoBuffers, err := output("sh", "-c", `zqublkd features --json | jq '.features[] | select(.name == "AUTO_BUF_REG") | .has'`)
	if err != nil {
		return nil, err
	}
	var list []*contender
	for i, c := range contenders(store, autoBuffers == "true") {
		if !p.who.MatchString(c.name) {
			continue
		}
		if err := c.start(c, filepath.Join(dir, fmt.Sprintf("disk%d", i))); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		if err := c.prepare(); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		fmt.Printf("up: %s on %s as %s\n", c.name, store, c.dev)
		list = append(list, c)
	}
	return list, nil
}

// measure runs fio once.
func (p plan) measure(w workload, c *contender) (measurement, error) {
	var m measurement
	if w.fresh {
		if err := c.reset(); err != nil {
			return m, err
		}
	}
	before := usageOf(c.pid)
	cmd := exec.Command("fio", w.args(c, p)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return m, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, out)
	}
	used := usageOf(c.pid).minus(before)
	if s := c.scheduler(); s != "none" {
		return m, fmt.Errorf("scheduler is %q now", s)
	}
	return judge(out, used)
}

// judge reads fio's report. Its own figures are of the run only; the server's
// use includes fio's start, some tens of requests.
func judge(out []byte, used usage) (measurement, error) {
	var report struct {
		Jobs []struct {
			Read, Write struct {
				IOPS float64 `json:"iops"`
				N    float64 `json:"total_ios"`
				Clat struct {
					Percentile map[string]float64 `json:"percentile"`
				} `json:"clat_ns"`
			}
		}
	}
	at := strings.IndexByte(string(out), '{') // fio says things before it
	if at < 0 {
		return measurement{}, fmt.Errorf("no report from fio: %s", out)
	}
	if err := json.Unmarshal(out[at:], &report); err != nil {
		return measurement{}, fmt.Errorf("fio's report: %w", err)
	}
	var m measurement
	n := 0.0
	for _, j := range report.Jobs {
		m.KIOPS += (j.Read.IOPS + j.Write.IOPS) / 1000
		n += j.Read.N + j.Write.N
		m.P99 = max(m.P99, j.Read.Clat.Percentile["99.000000"]/1000, j.Write.Clat.Percentile["99.000000"]/1000)
	}
	if n == 0 {
		return m, fmt.Errorf("fio did nothing: %s", out)
	}
	m.CPU, m.Switches, m.Calls = used.cpu/1000/n, used.switches/n, used.calls/n
	return m, nil
}
