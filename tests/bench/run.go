// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// run sets the stores and contenders up and measures.
func run(args []string) error {
	p, err := parsePlan(args)
	if err != nil {
		return err
	}
	b, err := thisBoot(p, "fio --version", "qemu-nbd --version", "nvme --version")
	if err != nil {
		return err
	}
	all, err := p.contenders()
	if err != nil {
		return err
	}
	r := report{Boots: []boot{b}}
	fmt.Printf("this will take about %s\n", p.estimate(all))
	for i, s := range stores {
		if len(all[i]) == 0 {
			continue
		}
		if err := p.measureStore(s, all[i], &r); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return r.write(p.out)
}

// contenders of each store that run anything by this plan.
func (p plan) contenders() ([][]*contender, error) {
	autoBuffers, err := output("sh", "-c", `zqublkd features --json | jq '.features[] | select(.name == "AUTO_BUF_REG") | .has'`)
	if err != nil {
		return nil, err
	}
	all := make([][]*contender, len(stores))
	for i, s := range stores {
		if !p.stores.MatchString(s.name) {
			continue
		}
		for _, c := range contenders(s.name, autoBuffers == "true") {
			if n, _ := p.cost([]*contender{c}); n > 0 {
				all[i] = append(all[i], c)
			}
		}
	}
	return all, nil
}

// cost is how many runs there are in a round, and how long they take.
func (p plan) cost(list []*contender) (n int, d time.Duration) {
	for _, w := range workloads {
		for _, c := range list {
			if p.wants(w, c) {
				n, d = n+1, d+runTime+max(p.runtime, time.Duration(w.ios*max(w.jobs, 1))*perRequest)
			}
		}
	}
	return n, d
}

// What a thing takes in emulation on a quiet machine.
const (
	startTime  = 4 * time.Second // of a contender, with what it is filled with
	runTime    = time.Second     // of fio's start and end, of making zones empty
	perRequest = 200 * time.Microsecond
)

// estimate is the time that the plan will take.
func (p plan) estimate(all [][]*contender) (d time.Duration) {
	for _, list := range all {
		_, round := p.cost(list)
		d += time.Duration(len(list))*startTime + time.Duration(p.rounds)*round
	}
	return d.Round(time.Second)
}

// measureStore starts the contenders on a store and runs the rounds.
func (p plan) measureStore(s store, list []*contender, r *report) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	if err := s.make(dir); err != nil {
		return err
	}
	for i, c := range list {
		if err := c.up(filepath.Join(dir, fmt.Sprintf("disk%d", i))); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	settle()
	for round := range p.rounds {
		for _, w := range workloads {
			if err := p.turns(round, w, list, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// turns runs a workload on each contender, another one first in each round.
func (p plan) turns(round int, w workload, list []*contender, r *report) error {
	unix.Sync() // what others have written would be, too, in a minute
	for i := range list {
		c := list[(i+round)%len(list)]
		if !p.wants(w, c) {
			continue
		}
		m, err := p.measure(w, c)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", c.name, w.name, err)
		}
		r.add(c.store, w.name, c.name, m)
		fmt.Printf("%d %-18s %-25s %-24s %8.2f k/s %7.1f us cpu p99 %6.0f us\n", round, c.store, w.name, c.name, m.KIOPS, m.CPU, m.P99)
	}
	return nil
}

// measure runs a workload once.
func (p plan) measure(w workload, c *contender) (m measurement, err error) {
	if w.fresh {
		err = c.empty()
	}
	if w.half && err == nil {
		err = c.fillHalves()
	}
	if err != nil {
		return m, err
	}
	if w.run == nil {
		w.run = fio
	}
	if m, err = w.run(p, w, c); err != nil {
		return m, err
	}
	if s := c.scheduler(); s != "none" {
		return m, fmt.Errorf("scheduler is %q now", s)
	}
	return m, nil
}

// settle gives what a start leaves behind time to end.
func settle() { time.Sleep(time.Second) }
