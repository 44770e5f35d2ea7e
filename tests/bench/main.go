// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"time"
)

// verbs are what the command can do.
var verbs = map[string]func(args []string) error{"run": run, "native": native, "merge": merge, "render": render}

func main() {
	err := fmt.Errorf("usage: bench run|native|merge|render, see doc.go")
	if len(os.Args) > 1 && verbs[os.Args[1]] != nil {
		err = verbs[os.Args[1]](os.Args[2:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// plan says what is run.
type plan struct {
	rounds  int
	runtime time.Duration // of one run of a workload without an amount of its own
	work    *regexp.Regexp
	who     *regexp.Regexp
	stores  *regexp.Regexp
	gates   bool // only what a gate compares
	kernel  string
	out     string
	machine string
	commit  string
}

func parsePlan(args []string) (p plan, err error) {
	flags := flag.NewFlagSet("bench run", flag.ContinueOnError)
	work := flags.String("work", "", "`pattern` of the workloads to run")
	who := flags.String("who", "", "`pattern` of the contenders to run")
	stores := flags.String("stores", "", "`pattern` of the stores to run")
	flags.BoolVar(&p.gates, "gates", false, "run only what a gate compares")
	flags.IntVar(&p.rounds, "rounds", 5, "rounds")
	flags.DurationVar(&p.runtime, "runtime", 500*time.Millisecond, "time of one run without an amount of its own")
	flags.StringVar(&p.kernel, "kernel", "", "the kernel's `name` in the gates, as 7.3")
	flags.StringVar(&p.out, "out", "bench.json", "`file` for the results")
	flags.StringVar(&p.machine, "machine", "", "`words` about the machine")
	flags.StringVar(&p.commit, "commit", "", "`words` about what is measured")
	if err = flags.Parse(args); err != nil {
		return p, err
	}
	for _, f := range []struct {
		to   **regexp.Regexp
		text string
	}{{&p.work, *work}, {&p.who, *who}, {&p.stores, *stores}} {
		if *f.to, err = regexp.Compile(f.text); err != nil {
			return p, err
		}
	}
	return p, nil
}

// wants says whether c runs w by this plan.
func (p plan) wants(w workload, c *contender) bool {
	return p.work.MatchString(w.name) && p.who.MatchString(c.name) && w.suits(c) &&
		(!p.gates || compared(p.kernel, c.store, side{c.name, w.name}))
}
