package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"time"
)

func main() {
	err := fmt.Errorf("usage: bench run|render, see doc.go")
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "run":
			err = run(os.Args[2:])
		case "render":
			err = render(os.Args[2:])
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// plan says what is run.
type plan struct {
	rounds   int
	runtime  time.Duration // of one fio run
	work     *regexp.Regexp
	who      *regexp.Regexp
	stores   *regexp.Regexp
	out      string
	describe string
}

func parsePlan(args []string) (p plan, err error) {
	flags := flag.NewFlagSet("bench run", flag.ContinueOnError)
	work := flags.String("work", "", "`pattern` of the workloads to run")
	who := flags.String("who", "", "`pattern` of the contenders to run")
	stores := flags.String("stores", "", "`pattern` of the stores to run")
	flags.IntVar(&p.rounds, "rounds", 5, "rounds")
	flags.DurationVar(&p.runtime, "runtime", 500*time.Millisecond, "time of one run of fio")
	flags.StringVar(&p.out, "out", "bench.json", "`file` for the results")
	flags.StringVar(&p.describe, "machine", "", "`words` about the machine")
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
