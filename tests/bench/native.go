// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// engine is a way to send requests to a plain image without a device.
type engine struct {
	name  string
	cache string // of qemu-img's names; "": all
	run   func(e engine, n int, image, cache string, write bool) (measurement, error)
	aio   string
}

var engines = []engine{
	{name: ours, run: ourEngine(1)},
	{name: ours + ", 2 queues", run: ourEngine(2)},
	{name: qemuBench + " -i threads", run: qemuEngine, aio: "threads"},
	{name: qemuBench + " -i native", run: qemuEngine, aio: "native", cache: "none"}, // QEMU has it for O_DIRECT only
	{name: qemuBench + " -i io_uring", run: qemuEngine, aio: "io_uring"},
}

// native measures the engines on an image in a folder: of a disk, for
// O_DIRECT's sake.
func native(args []string) error {
	var p plan
	flags := flag.NewFlagSet("bench native", flag.ContinueOnError)
	flags.IntVar(&p.rounds, "rounds", 5, "rounds")
	n := flags.Int("count", 75000, "requests of a run")
	dir := flags.String("dir", ".", "`folder` for the image")
	flags.StringVar(&p.out, "out", "bench.json", "`file` for the results")
	flags.StringVar(&p.machine, "machine", "", "`words` about the machine")
	flags.StringVar(&p.commit, "commit", "", "`words` about what is measured")
	if err := flags.Parse(args); err != nil {
		return err
	}
	b, err := thisBoot(p, "qemu-img --version")
	if err != nil {
		return err
	}
	b.Each = fmt.Sprintf("%d requests", *n)
	image := filepath.Join(*dir, "bench.qcow2")
	defer os.Remove(image)
	if err := filledImage(image); err != nil {
		return err
	}
	r := report{Boots: []boot{b}}
	for round := range p.rounds {
		if err := nativeRound(round, *n, image, &r); err != nil {
			return err
		}
	}
	return r.write(p.out)
}

// filledImage is a plain image all of whose clusters are there.
func filledImage(image string) error {
	if err := plainImage(image); err != nil {
		return err
	}
	_, err := output("qemu-img", "bench", "-f", "qcow2", "-w", "-t", "none", "-s", "1M", "-c",
		strconv.Itoa(diskSize>>20), "--pattern=90", image)
	return err
}

// nativeRound runs each engine on each workload once.
func nativeRound(round, n int, image string, r *report) error {
	for _, store := range []struct{ name, cache string }{{pageCache, "writeback"}, {directIO, "none"}} {
		for _, work := range []string{engineRead, engineWrite} {
			for i := range engines {
				e := engines[(i+round)%len(engines)]
				if e.cache != "" && e.cache != store.cache {
					continue
				}
				if err := warm(image, store.cache); err != nil {
					return err
				}
				m, err := e.run(e, n, image, store.cache, work == engineWrite)
				if err != nil {
					return err
				}
				r.add(store.name, work, e.name, m)
				fmt.Printf("%d %-12s %-15s %-28s %8.1f k/s\n", round, store.name, work, e.name, m.KIOPS)
			}
		}
	}
	return nil
}

// warm reads the image, so that nobody of those that use the page cache finds
// it emptied by somebody else.
func warm(image, cache string) error {
	if cache == "none" {
		return nil
	}
	f, err := os.Open(image)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, f)
	return err
}

func ourEngine(queues int) func(e engine, n int, image, cache string, write bool) (measurement, error) {
	return func(_ engine, n int, image, cache string, write bool) (measurement, error) {
		return benchEngine(queues, n, image, cache, write)
	}
}

func benchEngine(queues, n int, image, cache string, write bool) (m measurement, err error) {
	args := []string{"bench", "--json", "--queues=" + strconv.Itoa(queues), "--depth=32", "--block=4K",
		"--count=" + strconv.Itoa(n), "--cache=" + cache, image}
	if write {
		args = append(args, "--op=write", "--overwrite")
	}
	text, err := output("zqublkd", args...)
	if err != nil {
		return m, err
	}
	var said struct {
		Time int64 `json:"nanoseconds"`
		CPU  int64 `json:"cpu_nanoseconds"`
	}
	if err = json.Unmarshal([]byte(text), &said); err != nil || said.Time == 0 {
		return m, fmt.Errorf("zqublkd bench said %q: %w", text, err)
	}
	m.KIOPS = float64(n) / float64(said.Time) * 1e6
	m.charge(usage{cpu: float64(said.CPU)}, float64(n))
	return m, nil
}

var completed = regexp.MustCompile(`Run completed in ([0-9.]+) seconds`)

func qemuEngine(e engine, n int, image, cache string, write bool) (m measurement, err error) {
	args := []string{"bench", "-f", "qcow2", "-d", "32", "-s", "4096", "-c", strconv.Itoa(n), "-t", cache, "-i", e.aio,
		image}
	if write {
		args = append(args, "-w")
	}
	cmd := exec.Command("qemu-img", args...)
	text, err := cmd.CombinedOutput()
	said := completed.FindSubmatch(text)
	if err != nil || said == nil {
		return m, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, text)
	}
	m.KIOPS = float64(n) / number(string(said[1])) / 1000
	m.charge(usage{cpu: float64((cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Nanoseconds())},
		float64(n))
	return m, nil
}
